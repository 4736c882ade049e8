"""What the names of columns in a statement stand for: in each query those of its tables, subqueries, withs and {rows ..}."""

from dataclasses import dataclass, field

from columns import ITEMS_END, SET_OPERATIONS, table_type
from signature import Type

QUERIES = ("select", "with", "values")
CHOOSING = ("coalesce", "ifnull", "nullif", "min", "max", "greatest", "least")  # functions that give one of what they take
FROM_ENDS = ("where", "group", "having", "window", "order", "limit", "offset", "for", "returning", "set", "fetch")
NOT_ALIASES = (*FROM_ENDS, *SET_OPERATIONS, "on", "join", "left", "right", "full", "inner", "outer", "cross", "natural", "values", "select",
               "using", "default", "indexed", "not", "with")
BEFORE_PARENTHESIS = (*QUERIES, *SET_OPERATIONS, "where", "and", "or", "not", "on", "is", "from", "between", "when", "then", "else", "case",
                      "having", "limit", "offset", "by", "distinct", "all", "set")  # words that call nothing


@dataclass(frozen=True)
class Found:
    """A column or parameter. `kind` is None if its type is not known; what a parameter or an array brings is `given`."""

    label: str
    kind: Type = None
    is_given: bool = False


@dataclass
class Scope:
    """One query's, or a part's of a union. Columns are a list of (name, Found), None if they are not known."""

    outer: object
    target: list = None  # the columns of the table that is written
    sources: list = field(default_factory=list)  # of (alias, columns)

    def having(self, name, qualifier=""):
        """All that the name may stand for in this query alone."""
        return [found for alias, columns in self.sources if qualifier in ("", alias) for each, found in columns or () if each == name]

    def column(self, name, qualifier=""):
        """Found, or None if it is not certain."""
        found = self.having(name, qualifier)
        if found:
            return found[0] if len({each.kind for each in found}) == 1 else None
        asked = [columns for alias, columns in self.sources if qualifier in ("", alias)]
        if asked and (qualifier or None in asked):
            return None
        return self.outer.column(name, qualifier) if self.outer else None


def plain(text):
    """A name without its quotes, as SQLite compares it."""
    return text.strip('"`').lower()


def merged(parts):
    """The columns of a union: the first part's names, with the types that all agree in."""
    if any(each is None or len(each) != len(parts[0] or ()) for each in parts):
        return None
    return [(name, found if len({each[at][1].kind for each in parts}) == 1 else Found(name)) for at, (name, found) in enumerate(parts[0])]


class Scopes:
    """Of the tokens of parameters.joined_operators(). `parameters`: by name."""

    def __init__(self, tokens, found, schema, types, parameters):
        self.tokens, self.parameters = tokens, parameters
        self.names = {name.lower(): name for name in found.tables if name in schema.tables}
        self.tables = {name: [(column.lower(), Found(f"{table}.{column}", table_type(schema, types, table, column)))
                              for column in schema.tables[table].columns] for name, table in self.names.items()}
        self.scopes = [Scope(None)] * len(tokens)  # of each token
        self.aliases = {}  # to tables, of all scopes
        self.named = set()  # what stands where a table does, be it known or not, and is no with's
        self.results = {}  # the columns of the subquery whose parenthesis opens there
        self.close = self.closing()
        self.columns = self.query(0, len(tokens), None, {})  # of its result

    def closing(self):
        """{index of a parenthesis that opens: of the one that closes it}."""
        found, open_at = {}, []
        for at, (text, _, _) in enumerate(self.tokens):
            if text == "(":
                open_at.append(at)
            elif text == ")" and open_at:
                found[open_at.pop()] = at
        return {**{at: len(self.tokens) for at in open_at}, **found}

    def word(self, at):
        return self.tokens[at][0].lower() if 0 <= at < len(self.tokens) else ""

    def name(self, at):
        """The name that stands there, or nothing."""
        if not 0 <= at < len(self.tokens):
            return ""
        text, kind, _ = self.tokens[at]
        return plain(text) if kind == "word" or (kind == "quoted" and text[0] in '"`') else ""

    def scope(self, at):
        return self.scopes[at] if at < len(self.scopes) else Scope(None)

    def column(self, at):
        """Found, of the column whose name ends at `at`; None."""
        qualifier = self.name(at - 2) if self.word(at - 1) == "." else ""
        if not self.name(at) or (self.word(at - 1) == "." and not qualifier):
            return None
        return self.scopes[at].column(self.name(at), qualifier)

    def is_literal(self, first, last):
        first += self.word(first) in ("-", "+") and first < last
        return first == last and (self.word(first)[:1] == "'" or self.word(first)[:1].isdigit() or self.word(first) in ("null", "true", "false"))

    def value(self, first, last):
        """Found, of what these tokens are by themselves: a column, a parameter, a subquery of one column, or one of several that
        are alike in that; None if it is not certain."""
        while self.word(first) == "(" and self.close[first] == last and first < last:
            if self.word(first + 1) in QUERIES:
                columns = self.results.get(first) or []
                return columns[0][1] if len(columns) == 1 else None
            first, last = first + 1, last - 1
        if first == last and self.tokens[first][1] == "named":
            of = self.parameters.get(self.tokens[first][0][1:])
            return Found(of.name, of.type, True) if of and not of.is_array else None
        if first == last or (first + 2 == last and self.word(first + 1) == "."):
            return self.column(last)
        return self.chosen([self.value(*each) for each in self.choices(first, last) if not self.is_literal(*each)])

    @staticmethod
    def chosen(found):
        """One of these; whether it may be null is not told."""
        if not found or not all(each and each.kind for each in found) or len({(each.kind.base, each.kind.name) for each in found}) > 1:
            return None
        return Found(found[0].label, found[0].kind.nullable(False), any(each.is_given for each in found))

    def choices(self, first, last):
        """What `coalesce(a, b)` and its kin, or `case .. then a else b end`, give one of, as pieces() has them."""
        if self.word(first) in CHOOSING and self.word(first + 1) == "(" and self.close[first + 1] == last:
            found = self.pieces(first + 2, last)
            return found[:1] if self.word(first) == "nullif" else found
        if self.word(first) == "case" and self.case_end(first) == last:
            return [piece for word, piece in self.branches(first) if word in ("then", "else")]
        return []

    def case_end(self, first):
        """Where the `case` that begins there ends."""
        depth = 0
        for at in self.outermost(first, len(self.tokens)):
            depth += (self.word(at) == "case") - (self.word(at) == "end")
            if depth == 0:
                return at
        return len(self.tokens)

    def branches(self, first):
        """[(word, [index of the first, of the last])]: what stands behind `case`, `when`, `then` and `else`."""
        last, depth, marks = self.case_end(first), 0, []
        for at in self.outermost(first, last):
            depth += (self.word(at) == "case") - (self.word(at) == "end")
            if depth == 1 and self.word(at) in ("case", "when", "then", "else"):
                marks.append(at)
        return [(self.word(at), [at + 1, end - 1]) for at, end in zip(marks, [*marks[1:], last]) if at + 1 < end]

    def operand_end(self, first):
        """The last token of the operand that begins there."""
        at = first + 1 if self.word(first) in CHOOSING and self.word(first + 1) == "(" else first
        if self.word(at) == "(":
            return self.close[at]
        if self.word(first) == "case":
            return self.case_end(first)
        return first + 2 if self.word(first + 1) == "." else first

    def operand_start(self, last):
        """The first token of the operand that ends there."""
        if self.word(last) == "end":
            return next((at for at in range(last, -1, -1) if self.word(at) == "case" and self.case_end(at) == last), last)
        if self.word(last) != ")":
            return last - 2 if self.word(last - 1) == "." else last
        at = next(first for first, end in self.close.items() if end == last)
        return at - 1 if self.name(at - 1) and self.word(at - 1) not in BEFORE_PARENTHESIS else at

    def outermost(self, first, last):
        """The indexes of what stands in no parenthesis, and of those themselves."""
        at = first
        while at < last:
            yield at
            at = self.close[at] if self.word(at) == "(" else at + 1

    def pieces(self, first, last, ends=()):
        """[[index of the first, of the last]] of what commas separate, up to one of the words `ends`; nothing where it is empty."""
        found = [[first, first - 1]]
        for at in self.outermost(first, last):
            if self.word(at) in ends:
                break
            if self.word(at) == ",":
                found.append([at + 1, at])
            else:
                found[-1][1] = at
        return found if found[0][1] >= first else []

    def query(self, first, last, outer, withs):
        """Reads a statement or subquery; gives its columns."""
        withs = dict(withs)
        first = self.withs(first, last, outer, withs)
        starts = [first]
        for at in self.outermost(first, last):
            is_inserted = at > first and self.word(at) in QUERIES and self.word(starts[-1]) in ("insert", "replace")
            if is_inserted or (self.word(at) in SET_OPERATIONS and at > first) or (self.word(at), self.word(at + 1)) == ("on", "conflict"):
                starts.append(at)
        alias, table = self.written(first)
        if table in self.names:
            self.aliases[alias] = self.names[table]
        self.named |= {table} - {""}
        target = self.tables.get(table)
        return merged([self.part(start, end, outer, withs, alias, target) for start, end in zip(starts, [*starts[1:], last])])

    def withs(self, at, last, outer, withs):
        """Reads what stands before the query; the index past it."""
        if self.word(at) != "with":
            return at
        at += 2 if self.word(at + 1) == "recursive" else 1
        while at < last:
            name, names = self.name(at), []
            if self.word(at + 1) == "(":
                names = [self.name(first) for first, _ in self.pieces(at + 2, self.close[at + 1])]
                at = self.close[at + 1]
            while at < last and self.word(at) != "(":
                at += 1
            if at >= last:
                break
            columns = self.query(at + 1, self.close[at], outer, {**withs, name: None})
            withs[name] = self.renamed(columns, names)
            at = self.close[at] + 1
            if self.word(at) != ",":
                break
            at += 1
        return at

    @staticmethod
    def renamed(columns, names):
        if columns is None:
            return [(name, Found(name)) for name in names] or None
        return [(name, found) for name, (_, found) in zip(names, columns)] + columns[len(names):]

    def written(self, at):
        """(alias, table) that an insert or update writes."""
        if self.word(at) not in ("insert", "replace", "update"):
            return "", ""
        while self.word(at) not in ("into", "update", ""):
            at += 1
        at += 3 if self.word(at + 1) == "or" else 1
        table = self.name(at)
        at += 2 if self.word(at + 1) == "as" else 1
        return self.name(at) if self.name(at) and self.word(at) not in NOT_ALIASES else table, table

    def part(self, first, last, outer, withs, alias, target):
        """Reads one select, or what stands before or behind it; gives its columns."""
        if self.word(first) in SET_OPERATIONS:
            first += 2 if self.word(first + 1) in ("all", "distinct") else 1
        if self.word(first) == "with":
            return self.query(first, last, outer, withs)
        if self.word(first) == "(":
            return self.query(first + 1, self.close[first], outer, withs)
        scope = Scope(outer)
        if self.word(first) in ("insert", "replace", "update", "on"):
            scope.target, scope.sources = target, [(alias, target)]
        if self.word(first) == "on":
            scope.sources.append(("excluded", target))
        self.scopes[first:last] = [scope] * (last - first)
        self.read(first, last, scope, withs, False)
        return self.result(first, last, scope)

    def read(self, at, last, scope, withs, is_from):
        """Reads the sources of a query or of a parenthesis of joins, and every subquery."""
        is_source = is_from
        while at < last:
            word = self.word(at)
            if (word == "from" and self.word(at - 1) != "distinct") or (word == "using" and self.word(at + 1) != "(") or \
                    (is_from and word in ("join", ",")):
                is_from = is_source = True
            elif is_source and word not in ("lateral", "only"):
                at, is_source = self.source(at, scope, withs), False
                continue
            elif word in FROM_ENDS:
                is_from = False
            elif word == "(":
                self.inner(at, scope, withs)
                at = self.close[at]
            at += 1

    def inner(self, at, scope, withs):
        """Reads the subqueries of a parenthesis."""
        first, last = at + 1, self.close[at]
        if self.word(first) in QUERIES:
            self.results[at] = self.query(first, last, scope, withs)
            return
        for each in self.outermost(first, last):
            if self.word(each) == "(":
                self.inner(each, scope, withs)

    def source(self, at, scope, withs):
        """Adds what stands in a from; the index past it."""
        name, columns = self.name(at), None
        if self.word(at) == "(":
            if self.word(at + 1) not in QUERIES:
                self.read(at + 1, self.close[at], scope, withs, True)
                return self.close[at] + 1
            columns = self.query(at + 1, self.close[at], scope if self.word(at - 1) == "lateral" else scope.outer, withs)
            at = self.close[at]
        elif self.word(at) == "{":
            of = self.parameters.get(self.word(at + 2))
            columns = [(each, Found(f"{of.name}.{each}", kind, True)) for each, kind in of.fields] if of else []
            at += 3
        elif self.word(at + 1) == "(":
            self.inner(at + 1, scope, withs)
            at = self.close[at + 1]
        elif name:
            columns = withs[name] if name in withs else self.tables.get(name)
            self.named |= {name} - withs.keys()
        return self.aliased(at + 1, scope, name, columns, self.names.get(name, "") if name not in withs else "")

    def aliased(self, at, scope, alias, columns, table):
        is_as = self.word(at) == "as"
        if is_as or (self.name(at) and self.word(at) not in NOT_ALIASES):
            alias = self.name(at + is_as)
            at += 1 + is_as
            if self.word(at) == "(":
                columns = self.renamed(columns, [self.name(first) for first, _ in self.pieces(at + 1, self.close[at])])
                at = self.close[at] + 1
        if table:
            self.aliases[alias] = table
        scope.sources.append((alias, columns))
        return at

    def result(self, first, last, scope):
        """The columns of a select or of a returning; None if they are not known."""
        start = first if self.word(first) == "select" else next((at for at in self.outermost(first, last) if self.word(at) == "returning"), last)
        start += 2 if self.word(start + 1) in ("distinct", "all") else 1
        found = []
        for begin, end in self.pieces(start, last, ITEMS_END):
            if self.word(end) == "*":
                every = [columns for alias, columns in scope.sources if begin == end or alias == self.name(begin)]
                if None in every:
                    return None
                found += [each for columns in every for each in columns]
            else:
                found.append(self.item(begin, end))
        return found if self.word(first) != "values" else None

    def item(self, begin, end):
        """(name, Found) of an item: `a.b`, `a.b as c`, or an expression, whose type may not be known."""
        name = self.name(end) if self.word(end) != "end" else ""
        is_named = name != "" and end > begin and (self.name(end - 1) != "" or self.word(end - 1) == ")")
        if is_named:
            end -= 2 if self.word(end - 1) == "as" else 1
        return name, self.value(begin, end) or Found(name)
