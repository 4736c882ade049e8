"""Checks parameters against the columns that they meet, since SQLite itself takes anything anywhere."""

from columns import ITEMS_END, table_type
from lexer import SqlError

COMPARISONS = ("=", "<", ">", "<=", ">=", "<>", "!=", "==")
ARITHMETIC = ("+", "-", "*", "/", "|", "%")
NOT_ALIASES = ("where", "on", "set", "join", "left", "inner", "cross", "order", "group", "limit", "values", "select", "using")


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


class Uses:
    """Where a statement's parameters meet columns of tables."""

    def __init__(self, tokens, found, schema, types):
        self.tokens = joined_operators(tokens)
        self.schema, self.types = schema, types
        self.tables = sorted(table for table in found.tables if table in schema.tables)
        self.aliases = {table: table for table in self.tables}
        for at, (text, _, _) in enumerate(self.tokens):
            if text in self.tables:
                after = self.word(at + 2) if self.word(at + 1) == "as" else self.word(at + 1)
                if after and after.isidentifier() and after not in NOT_ALIASES:
                    self.aliases[after] = text

    def word(self, at):
        return self.tokens[at][0].lower() if 0 <= at < len(self.tokens) else ""

    def column_before(self, at):
        """(table.column, Type) of the column that ends before `at`, if its table is certain."""
        if at < 1 or self.tokens[at - 1][1] != "word":
            return None
        name, tables = self.word(at - 1), self.tables
        if self.word(at - 2) == ".":
            tables = [self.aliases[self.word(at - 3)]] if self.word(at - 3) in self.aliases else []
        known = [(f"{table}.{name}", table_type(self.schema, self.types, table, name)) for table in tables]
        known = [each for each in known if each[1]]
        if not known or len({(kind.base, kind.name) for _, kind in known}) > 1:
            return None
        return known[0]

    def column_at(self, at):
        """The same of the column that begins at `at` and is an operand by itself."""
        last = at + 2 if self.word(at + 1) == "." else at
        if self.word(last + 1) in (*ARITHMETIC, "("):
            return None
        return self.column_before(last + 1) if last < len(self.tokens) else None

    def compared(self):
        """(parameter, line, column, Type, may it be null) for `column = $1` and `$1 = column`."""
        for at, (text, kind, line) in enumerate(self.tokens):
            if kind != "named":
                continue
            before, after = self.word(at - 1), self.word(at + 1)
            if before in ("limit", "offset"):
                yield text[1:], line, before, self.types.named("int", "", 0), False
                continue
            column = None
            if after not in ARITHMETIC:
                column = self.column_before(self.operator_before(at))
            if column is None and before not in (*ARITHMETIC, "."):
                if after in COMPARISONS:
                    column = self.column_at(at + 2)
            if column:
                yield text[1:], line, *column, True

    def operator_before(self, at):
        """Where the comparison begins whose right side is the token at `at`: =, is, is not, between; 0 if there is none."""
        if self.word(at - 1) in (*COMPARISONS, "is"):
            return at - 1
        if self.word(at - 2) == "is" and self.word(at - 1) == "not":
            return at - 2
        if self.word(at - 1) == "and" and self.word(at - 3) == "between":
            at -= 2
        if self.word(at - 1) == "between":
            return at - 2 if self.word(at - 2) == "not" else at - 1
        return 0

    def listings(self):
        """The same for `column in ($1, $2)`, and for `(column, column) = ($1, $2)`."""
        for at, (text, _, _) in enumerate(self.tokens):
            if self.word(at + 1) != "(":
                continue
            given, _ = self.listed(at + 1)
            if text.lower() == "in":
                column = self.column_before(at - 1 if self.word(at - 1) == "not" else at)
                columns = [column] * len(given)
            elif text in COMPARISONS and self.word(at - 1) == ")":
                columns = self.row_before(at)
            else:
                continue
            for column, value in zip(columns, given):
                if column and len(value) == 1 and value[0][1] == "named":
                    yield value[0][0][1:], value[0][2], *column, True

    def row_before(self, end):
        """[(table.column, Type) or None] of the columns in the parenthesis that ends before `end`."""
        at, depth = end - 1, 1
        while at > 0 and depth > 0:
            at -= 1
            depth += {")": 1, "(": -1}.get(self.tokens[at][0], 0)
        items, _ = self.listed(at)
        if len(items) < 2:
            return []
        columns, place = [], at + 1
        for item in items:
            place += len(item) + 1
            columns.append(self.column_before(place - 1) if len(item) in (1, 3) else None)
        return columns

    def members(self):
        """The same for `column {in array}`."""
        for at, (text, _, line) in enumerate(self.tokens):
            if text == "{" and self.word(at + 1) in ("in", "not"):
                column = self.column_before(at)
                last = at + 2 if self.word(at + 1) == "in" else at + 3
                if column:
                    yield self.word(last), line, *column, True

    def inserts(self):
        """([(column, Type)], index past their list) of each insert into t (a, b)."""
        for at, (text, _, _) in enumerate(self.tokens):
            table = self.word(at + 1)
            if text.lower() == "into" and self.word(at + 2) == "(" and table in self.schema.tables:
                names, end = self.listed(at + 2)
                names = [name[0][0].lower() for name in names if name]
                yield [(f"{table}.{name}", table_type(self.schema, self.types, table, name)) for name in names], end

    def inserted(self):
        """The same for what insert into t (a, b) takes from values ($a, $b) or select $a, $b."""
        for columns, end in self.inserts():
            for given in self.inserted_rows(end):
                for (column, kind), value in zip(columns, given):
                    if kind and len(value) == 1 and value[0][1] == "named":
                        yield value[0][0][1:], value[0][2], column, kind, False

    def inserted_rows(self, at):
        """Of values (..), (..) each row, of select .. its items, as listed() has them."""
        if self.word(at) == "select":
            given, _ = self.listed(at)
            yield given
        while self.word(at) in ("values", ",") and self.word(at + 1) == "(":
            given, at = self.listed(at + 1)
            yield given

    def inserted_fields(self):
        """(array, field, line, column, Type) for insert into t (a) select r.a from {rows array} as r."""
        arrays = {}
        for at, (text, _, _) in enumerate(self.tokens):
            if text == "{" and self.word(at + 1) == "rows":
                arrays[self.word(at + 5 if self.word(at + 4) == "as" else at + 4)] = self.word(at + 2)
        for columns, end in self.inserts():
            for given in self.inserted_rows(end):
                for (column, kind), value in zip(columns, given):
                    if kind and len(value) == 3 and value[1][0] == "." and value[0][0] in arrays:
                        yield arrays[value[0][0]], value[2][0], value[2][2], column, kind

    def ranges(self):
        """(parameter, line, [(column, Type)]) of insert into t (a, b) {values rows}."""
        for columns, end in self.inserts():
            if self.word(end) == "{" and self.word(end + 1) == "values":
                yield self.word(end + 2), self.tokens[end][2], columns

    def listed(self, at):
        """The items, each its tokens, of the parenthesis or the select that opens at `at`, and the index past it."""
        items, depth, outer = [[]], 0, 1 if self.word(at) == "(" else 0
        at += 1 - outer
        while at < len(self.tokens):
            text = self.tokens[at][0]
            if outer == 0 and depth == 0 and text.lower() in ITEMS_END:
                break
            depth += {"(": 1, ")": -1}.get(text, 0)
            at += 1
            if depth < outer:
                break
            if text == "," and depth == outer:
                items.append([])
            elif not (text == "(" and depth == 1 == outer):
                items[-1].append(self.tokens[at - 1])
        return items, at


def differs(given, column):
    return given.base != column.base or given.name != column.name


def check_parameters(statement, signature, tokens, found, schema, types):
    """Raises where a parameter's type is not that of the column which it meets."""
    known = {parameter.name: parameter for parameter in signature.parameters}
    uses = Uses(tokens, found, schema, types)

    def check(name, given, line, column, kind, may_be_null):
        if differs(given, kind):
            raise SqlError(statement.path, line, f"'{name}' is {given} where {column} is {kind}")
        if given.is_nullable and not kind.is_nullable and not may_be_null:
            raise SqlError(statement.path, line, f"'{name}' may be null where {column} may not")

    for name, *use in uses.members():
        if name in known and known[name].type:
            check(name, known[name].type, *use)
    for name, part, *use in uses.inserted_fields():
        given = dict(known[name].fields).get(part) if name in known else None
        if given:
            check(f"{name}.{part}", given, *use, False)
    for name, line, columns in uses.ranges():
        fields = known[name].fields if name in known else []
        for (part, given), (column, kind) in zip(fields, columns):
            if kind:
                check(f"{name}.{part}", given, line, column, kind, False)
    for name, *use in [*uses.compared(), *uses.listings(), *uses.inserted()]:
        if name in known and not known[name].is_array:
            check(name, known[name].type, *use)
