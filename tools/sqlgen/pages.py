"""What the text of a `:page` must be, so that its pages lose no row and read none that is not theirs."""

from accesses import JOINS, Accesses, pieces, top_level
from lexer import SqlError
from parameters import COMPARISONS, Uses

CUTS = ("order", "limit", "offset", "fetch")
TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
KEY = ("", False)  # what a column of the page's order is bound to, as Accesses has it: one value


def check_end(statement, tokens):
    depth, before = 0, ""
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.kind == "word" and token.text.lower() in CUTS and before != ".":
            raise SqlError(statement.path, token.line, f"'{token.text}' in the text of a page, which is sorted and cut by its line of the name")
        before = token.text if token.kind != "space" else before


def bounds(uses):
    """(operator, index of the last token of its left side, of the first of its right side); of rows, of their first columns."""
    word, starts = uses.word, {last: first for first, last in uses.close.items()}
    for at in range(len(uses.tokens)):
        if word(at) in COMPARISONS:
            left = uses.scopes.pieces(starts[at - 1] + 1, at - 1)[:1] if at - 1 in starts and word(at + 1) == "(" else []
            yield word(at), left[0][1] if left else at - 1, at + 2 if left else at + 1
        elif word(at) == "between" and word(at - 1) != "not":
            for sign in ("<", ">"):
                yield sign, at - 1, at + 1


def check_bound(statement, signature, uses):
    """SQLite begins at one of two bounds of the same side, and that is the statement's: it would read all that came before."""
    key, is_descending = signature.order[0]
    wrong = ("<", "<=") if is_descending else (">", ">=")
    found = dict(uses.scopes.columns or ()).get(key)
    for sign, left, right in bounds(uses):
        end = right + 2 if uses.word(right + 1) == "." else right
        for at, means in ((left, sign), (end, TURNED.get(sign))):
            if found and means in wrong and uses.scopes.column(at) == found:
                raise SqlError(statement.path, uses.line(at), f"'{key} {means}' bounds the page from the side where its cursor does: leave it "
                                                              f"out and begin with a cursor that stands there")


class Keys:
    """Whether rows of a select differ in the columns of the page's order."""

    def __init__(self, tokens, signature, schema):
        self.tables = schema.tables
        self.of = Accesses(tokens, [parameter.name for parameter in signature.parameters],
                           {name: set(table.columns) for name, table in schema.tables.items()})
        self.clauses = self.of.clauses(self.of.words)
        self.sources, self.joined = self.of.sources(self.clauses.get("from", []))
        self.names = [name for name, _ in signature.order]

    def items(self):
        """{name: words} of the select list."""
        found = {}
        for words in pieces(self.clauses.get("select", []), (",",)):
            words = words[1:] if words[:1] in (["distinct"], ["all"]) else words
            named = words[:-2] if words[-2:-1] == ["as"] else words[:-1] if len(words) in (2, 4) else words
            found[words[-1]] = named
        return found

    def column(self, words):
        """(alias, column) that the words are, or None."""
        if len(words) == 3 and words[1] == "." and words[0] in self.sources:
            return words[0], words[2]
        having = [alias for alias, table in self.sources.items() if words[0] in self.tables[table].columns]
        return (having[0], words[0]) if len(words) == len(having) == 1 else None

    def is_read(self):
        """Whether it is one select from tables and arrays alone."""
        outermost = [word for word, is_nested in top_level(self.of.words) if not is_nested]
        named = [item for item in pieces(self.clauses.get("from", []), JOINS) if item and not item[0].startswith("{ rows")]
        return outermost[:1] == ["select"] and not {"union", "intersect", "except"} & set(outermost) and len(named) == len(self.sources) > 0

    def is_outer(self):
        return any(word == "left" for word, _ in top_level(self.clauses["from"]))

    def differ(self):
        if not self.is_read():
            return False
        items = self.items()
        if self.clauses["select"][:1] == ["distinct"] and set(items) <= set(self.names):
            return True
        bound = {self.column(items[name]): KEY for name in self.names if name in items}
        bound.pop(None, None)
        keys = set(bound)
        single = self.single(bound)
        if "group" in self.clauses:
            grouped = [self.column(words) for words in pieces(self.clauses["group"][1:], (",",))]
            # What the condition of an outer join says of a column may also be null.
            return all(column in (keys if self.is_outer() else bound) for column in grouped)
        return single == set(self.sources)

    def single(self, bound):
        """The sources of which one row at most has the values in `bound`, to which goes what follows from them."""
        single, before = set(), None
        is_outer = self.is_outer()
        while before != bound:
            before = dict(bound)
            self.of.bind(self.clauses.get("where", []), self.sources, bound, ({}, {}))
            for alias, condition in self.joined:
                self.of.bind(condition, self.sources, bound, ({}, {}), only=alias if is_outer else None)
            for column in [column for column, (_, is_array) in bound.items() if is_array]:
                del bound[column]
            for alias, table in self.sources.items():
                if any(all((alias, column) in bound for column in key) for key in self.tables[table].keys):
                    single.add(alias)
                    bound.update({(alias, column): KEY for column in self.tables[table].columns})
        return single


def check_page(statement, signature, found, schema, types):
    """Raises where its columns, its order or its text are not those of a page."""
    known = dict(signature.columns)
    for name, _ in signature.order:
        if name not in known:
            raise SqlError(statement.path, statement.line, f"the page is sorted by '{name}', which is none of its columns")
        if known[name].is_nullable:
            raise SqlError(statement.path, statement.line, f"the page is sorted by '{name}', which may be null")
    for tokens in statement.sections.values():
        check_end(statement, tokens)
        check_bound(statement, signature, Uses(tokens, found, schema, types, signature.parameters))
        if not signature.is_unique and not Keys(tokens, signature, schema).differ():
            raise SqlError(statement.path, statement.line,
                           f"rows of the page may be alike in {', '.join(name for name, _ in signature.order)}, and some are lost between two "
                           f"pages: sort by a primary key or unique index behind, or state that they differ: '{signature.order[-1][0]} unique'")
