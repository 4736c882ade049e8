"""Checks parameters against the columns that they meet, since SQLite itself takes anything anywhere."""

from dataclasses import dataclass

from columns import ITEMS_END
from lexer import SqlError
from scopes import CHOOSING, QUERIES, Scopes
from signature import BASES, Type

COMPARISONS = ("=", "<", ">", "<=", ">=", "<>", "!=", "==")
OPERATORS = (*COMPARISONS, "+", "-", "*", "/", "|", "%", ":", ".")
BEHIND_CALL = ("(", "filter", "over", "within")
BEHIND_OPERAND = (*COMPARISONS, "is", "between", "in", "not", "{")
BEFORE_OPERAND = (*COMPARISONS, "(", "and", "or", "not", "where", "between", "is", "when", "then", "else", "having", "limit", "offset")


def joined_operators(tokens):
    """The tokens without space, < and = that stand together as one."""
    out = []
    for token in tokens:
        if token.kind == "space":
            out.append(None)
            continue
        if token.kind == "other" and out and out[-1] and out[-1][0] + token.text in COMPARISONS:
            out[-1] = (out[-1][0] + token.text, token.kind, token.line)
        else:
            out.append((token.text, token.kind, token.line))
    return [each for each in out if each]


def without_parentheses(tokens):
    """The tokens with `(a.b)` and `($p)` as a.b and $p where they are an operand by themselves."""
    tokens, at = list(tokens), 0
    while at < len(tokens):
        words = [text.lower() for text, _, _ in tokens[at:at + 6]]
        end = words.index(")") if words[0] == "(" and ")" in words else 0
        is_lone = (end == 2 and tokens[at + 1][1] in ("word", "named", "quoted")) or (end == 4 and words[2] == ".")
        before = tokens[at - 1][0].lower() if at else "("
        behind = words[end + 1] if end + 1 < len(words) else ""
        is_operand = before in BEFORE_OPERAND or (behind in BEHIND_OPERAND and before in ("on", ","))
        if is_lone and is_operand and words[1] != "select":
            tokens[at:at + end + 1] = tokens[at + 1:at + end]
            at = max(at - 1, 0)
        else:
            at += 1
    return tokens


@dataclass(frozen=True)
class Operand:
    """A column, a parameter or a field of {rows ..}: the latter two are `given`."""

    label: str
    kind: Type
    is_given: bool


@dataclass(frozen=True)
class Meeting:
    line: int
    one: Operand
    other: Operand
    is_written: bool = False  # into the other: then what may be null goes into no column that may not


class Uses:
    """Where a statement's parameters meet columns of tables."""

    def __init__(self, tokens, found, schema, types, parameters=()):
        self.tokens = without_parentheses(joined_operators(tokens))
        self.schema, self.types = schema, types
        self.parameters = {parameter.name: parameter for parameter in parameters}
        self.scopes = Scopes(self.tokens, found, schema, types, self.parameters)
        self.aliases = self.scopes.aliases
        self.tables = sorted(self.scopes.names.values())
        self.word, self.outermost, self.close = self.scopes.word, self.scopes.outermost, self.scopes.close

    def value(self, first, last):
        """The Operand that these tokens are, if they are one whose type is certain."""
        found = self.scopes.value(first, last)
        return Operand(found.label, found.kind, found.is_given) if found and found.kind else None

    def before(self, at):
        """The Operand that ends before `at`, by itself."""
        first = self.scopes.operand_start(at - 1)
        return self.value(first, at - 1) if first >= 0 and self.word(first - 1) not in OPERATORS else None

    def behind(self, at):
        """The Operand that begins at `at`, by itself."""
        last = self.scopes.operand_end(at)
        return self.value(at, last) if last < len(self.tokens) and self.word(last + 1) not in (*OPERATORS, *BEHIND_CALL) else None

    def line(self, at):
        return self.tokens[min(at, len(self.tokens) - 1)][2]

    def meetings(self):
        """Every Meeting of two operands, either of which may be None."""
        for at, (text, kind, line) in enumerate(self.tokens):
            word = text.lower()
            if word in COMPARISONS:
                yield from self.compared(at)
            elif word == "is" and kind == "word":
                yield from self.same(at)
            elif word == "between":
                yield from self.bounded(at)
            elif word == "in" and self.word(at + 1) == "(" and self.word(at - 1) != "{":
                yield from self.listed(at)
            elif word == "{":
                yield from self.members(at)
            elif word in CHOOSING and self.word(at + 1) == "(":
                yield from self.alike([self.value(*each) for each in self.scopes.pieces(at + 2, self.close[at + 1])], line)
            elif word == "case":
                yield from self.cases(at)
            elif word == "using" and self.word(at + 1) == "(":
                yield from self.joined(at)
            elif word == "set" and self.scopes.scope(at).target:
                yield from self.assigned(at)
            elif word in ("limit", "offset"):
                yield Meeting(line, self.behind(at + 1), Operand(word, self.types.named("int", "", 0), False), True)
            elif word == "into":
                yield from self.inserted(at)

    def compared(self, at):
        """a = b, (a, b) = (c, d)"""
        rows = [self.scopes.pieces(first + 1, self.close[first]) for first in (self.scopes.operand_start(at - 1), at + 1) if self.word(first) == "("]
        if len(rows) == 2 and len(rows[0]) == len(rows[1]) > 1:
            for one, other in zip(*rows):
                yield Meeting(self.line(other[0]), self.value(*one), self.value(*other))
        else:
            yield Meeting(self.line(at + 1), self.before(at), self.behind(at + 1))

    @staticmethod
    def alike(operands, line):
        """Each with the next one that is known."""
        known = [operand for operand in operands if operand]
        for one, other in zip(known, known[1:]):
            yield Meeting(line, one, other)

    def cases(self, at):
        """case when .. then a else b end, case a when b then ..."""
        branches = self.scopes.branches(at)
        yield from self.alike([self.value(*piece) for word, piece in branches if word in ("then", "else")], self.line(at))
        for _, asked in [piece for piece in branches if piece[0] == "case"]:
            for _, piece in [branch for branch in branches if branch[0] == "when"]:
                yield Meeting(self.line(piece[0]), self.value(*asked), self.value(*piece))

    def same(self, at):
        """a is b, a is not b, a is not distinct from b"""
        to = at + 2 if self.word(at + 1) == "not" else at + 1
        to += 2 if self.word(to) == "distinct" else 0
        if to < len(self.tokens):
            yield Meeting(self.line(to), self.before(at), self.behind(to))

    def column_before(self, at):
        return self.before(at - 1 if self.word(at - 1) == "not" else at)

    def bounded(self, at):
        """a between b and c"""
        yield Meeting(self.line(at + 1), self.column_before(at), self.behind(at + 1))
        and_ = next((to for to in self.outermost(at + 1, len(self.tokens)) if self.word(to) == "and"), len(self.tokens))
        if and_ + 1 < len(self.tokens):
            yield Meeting(self.line(and_ + 1), self.column_before(at), self.behind(and_ + 1))

    def listed(self, at):
        """a in (b, c), a in (select b ..)"""
        if at + 1 in self.scopes.results:
            columns = self.scopes.results[at + 1] or []
            for _, found in columns if len(columns) == 1 else []:
                yield Meeting(self.line(at), self.column_before(at), Operand(found.label, found.kind, found.is_given))
            return
        for first, last in self.scopes.pieces(at + 2, self.close[at + 1]):
            yield Meeting(self.line(first), self.column_before(at), self.value(first, last))

    def array(self, at):
        return self.parameters.get(self.word(at))

    def members(self, at):
        """a {in p}, a {not in p}"""
        parameter = self.array(at + 2 if self.word(at + 1) == "in" else at + 3)
        if self.word(at + 1) in ("in", "not") and parameter and parameter.type:
            yield Meeting(self.line(at), self.before(at), Operand(parameter.name, parameter.type, True))

    def joined(self, at):
        """join .. using (a)"""
        for first, _ in self.scopes.pieces(at + 2, self.close[at + 1]):
            found = [Operand(each.label, each.kind, each.is_given)
                     for each in self.scopes.scope(at).having(self.scopes.name(first))]
            for one in found:
                for other in found:
                    if one.is_given and not other.is_given:
                        yield Meeting(self.line(first), one, other)

    def target(self, at):
        """The Operand that the column of this name in the table that is written is."""
        found = dict(self.scopes.scope(at).target or ()).get(self.scopes.name(at))
        return Operand(found.label, found.kind, False) if found else None

    def assigned(self, at):
        """set a = b, (c, d) = (e, f)"""
        for first, last in self.scopes.pieces(at + 1, len(self.tokens), ("from", "where", "returning")):
            if self.word(first) == "(" and self.word(self.close[first] + 2) == "(":
                to = self.close[first] + 2
                rows = self.scopes.pieces(first + 1, self.close[first]), self.scopes.pieces(to + 1, self.close[to])
                for (one, _), other in zip(*rows):
                    yield Meeting(self.line(other[0]), self.value(*other), self.target(one), True)
            elif self.word(first + 1) == "=" and first + 2 <= last:
                yield Meeting(self.line(first + 2), self.value(first + 2, last), self.target(first), True)

    def insert_list(self, at):
        """Where the columns of this `into` open; past the end if it names none."""
        at += 2
        while self.scopes.name(at) and self.word(at) not in (*QUERIES, "default"):
            at += 1
        return at if self.word(at) == "(" and self.word(at + 1) not in QUERIES else len(self.tokens)

    def without_columns(self):
        """The lines of the inserts that name none."""
        return [line for at, (text, _, line) in enumerate(self.tokens)
                if text.lower() == "into" and self.insert_list(at) == len(self.tokens) and self.word(at + 2) != "default"]

    def inserted(self, at):
        """into t (a, b) values (c, d), (e, f) or select c, d or {values p}"""
        at = self.insert_list(at)
        columns = [self.target(first) for first, _ in self.scopes.pieces(at + 1, self.close.get(at, 0))]
        at = self.close.get(at, len(self.tokens)) + 1
        if self.word(at) == "{" and self.word(at + 1) == "values":
            parameter = self.array(at + 2)
            for (name, kind), column in zip(parameter.fields if parameter else (), columns):
                yield Meeting(self.line(at), Operand(f"{parameter.name}.{name}", kind, True), column, True)
        for given in self.inserted_rows(at):
            for column, (first, last) in zip(columns, given):
                yield Meeting(self.line(first), self.value(first, last), column, True)

    def inserted_rows(self, at):
        """Of values (..), (..) each row, of select .. its items, as pieces() has them."""
        if self.word(at) == "select":
            yield self.scopes.pieces(at + (2 if self.word(at + 1) in ("distinct", "all") else 1), len(self.tokens), ITEMS_END)
        while self.word(at) in ("values", ",") and self.word(at + 1) == "(":
            yield self.scopes.pieces(at + 2, self.close[at + 1])
            at = self.close[at + 1] + 1


def check(statement, meeting):
    """Raises where what is given is not of the type that it meets, or where columns of two ids meet."""
    one, other = meeting.one, meeting.other
    if not one or not other or not one.kind or not other.kind:
        return
    if other.is_given and not one.is_given:
        one, other = other, one
    is_checked = one.is_given or not {one.kind.name, other.kind.name} & {*BASES, "timestamp"}
    if is_checked and (one.kind.base, one.kind.name) != (other.kind.base, other.kind.name):
        raise SqlError(statement.path, meeting.line, f"'{one.label}' is {one.kind} where {other.label} is {other.kind}")
    if meeting.is_written and one.is_given and one.kind.is_nullable and not other.kind.is_nullable:
        raise SqlError(statement.path, meeting.line, f"'{one.label}' may be null where {other.label} may not")


def check_parameters(statement, signature, tokens, found, schema, types):
    """Raises where a parameter's type is not that of the column which it meets."""
    uses = Uses(tokens, found, schema, types, signature.parameters)
    for line in uses.without_columns():
        raise SqlError(statement.path, line, "the insert names no columns, and what it gives goes elsewhere after a migration: into t (a, b)")
    for meeting in uses.meetings():
        check(statement, meeting)
