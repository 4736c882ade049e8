"""The columns that a statement gives: name, type, and whether they may be null.

A column of a table has the type and nullability of its declaration; an outer join makes it nullable, and so does a subquery that
stands for a value within another one. An expression has
neither, so the statement states them in a line `-- column: total int`. count(..) is known.
"""

import re

from lexer import SqlError
from signature import NAME
from statements import KEYWORDS

DECLARED = {"int": "int", "integer": "int", "bigint": "int", "real": "real", "double precision": "real", "double": "real",
            "text": "text", "varchar": "text", "blob": "bytes", "bytea": "bytes", "boolean": "bool", "bool": "bool"}
NO_COLUMNS = ("null", "true", "false", "current_timestamp", "current_date", "current_time")
SET_OPERATIONS = ("union", "intersect", "except")
ITEMS_END = ("from", "where", "group", "having", "window", "order", "limit", "offset", "for", *SET_OPERATIONS)


def table_type(schema, types, table, column):
    """The Type of a table's column, None if its declaration is none of ours."""
    if table not in schema.tables or column not in schema.tables[table].columns:
        return None
    declared, is_not_null = schema.tables[table].columns[column]
    base = DECLARED.get(declared)
    found = types.column(table, column) or (types.named(base, "", 0) if base else None)
    return found.nullable(not is_not_null) if found else None


def items_of(tokens):
    """The expressions of the outermost select list or returning clause, each a list of tokens without space."""
    meaningful = [token for token in tokens if token.kind != "space"]
    words = [token.text.lower() for token in meaningful]
    depth, start = 0, None
    for at, word in enumerate(words):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth == 0 and (word == "returning" or (word == "select" and start is None)):
            start = at + 1
            if word == "select" and words[start] in ("distinct", "all"):
                start += 1
    if start is None:
        return []
    items, depth = [[]], 0
    for token in meaningful[start:]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0 or (depth == 0 and token.text.lower() in ITEMS_END):
            break
        if depth == 0 and token.text == ",":
            items.append([])
        else:
            items[-1].append(token)
    return items


class Joins:
    """Which tables an outer join may leave empty; `everything` if that cannot be told from the text."""

    def __init__(self, tokens, tables):
        self.words = [token.text.lower() for token in tokens if token.kind != "space"]
        self.tables, self.empty, self.everything = tables, set(), False
        for at, word in enumerate(self.words):
            if word not in ("left", "right", "full"):
                continue
            after = at + 1 + (self.words[at + 1:at + 2] == ["outer"])
            if self.words[after:after + 1] != ["join"]:
                continue
            if word == "left":
                self.joined(after + 1)
            else:
                self.everything = True

    def joined(self, at):
        names = [self.words[at]]
        if names == ["("] or self.words[at] == "lateral":
            depth, names = 0, []
            for word in self.words[at:]:
                depth += {"(": 1, ")": -1}.get(word, 0)
                names.append(word)
                if depth == 0 and word == ")":
                    break
            if not any(name in self.tables for name in names):
                self.everything = True
        elif names[0].strip('"') not in self.tables:  # a with's
            self.everything = True
        self.empty |= {name.strip('"') for name in names}

    def may_be_empty(self, table):
        return self.everything or table in self.empty


def has_inner_scalar(tokens):
    """Whether a subquery is an item of another one: SQLite tells its column, which is null where it finds no row."""
    words = [token.text.lower() for token in tokens if token.kind != "space"]
    in_items = [False]  # for each parenthesis that is open
    for before, word, after in zip(["", *words], words, [*words[1:], ""]):
        begins = in_items[-1] and before in ("select", "distinct", "all", ",", "(")
        if word == "(":
            if begins and after == "select" and len(in_items) > 1:
                return True
            in_items.append(begins)
        elif word == ")" and len(in_items) > 1:
            in_items.pop()
        elif word == "select":
            in_items[-1] = True
        elif word in ITEMS_END:
            in_items[-1] = False
    return False


def stated_columns(statement, types):
    """{name: (Type, line)} of the `-- column:` lines."""
    found = {}
    for text, line in statement.stated:
        match = re.match(r"(\w+)\s+(\w+)(\?)?\Z", text)
        if not match:
            raise SqlError(statement.path, line, "not of the form '-- column: total int', with int? where it may be null")
        kind = types.named(match.group(2), statement.path, line)
        if match.group(1) in found:
            raise SqlError(statement.path, line, f"column '{match.group(1)}' is stated twice")
        found[match.group(1)] = (kind.nullable(bool(match.group(3))), line)
    return found


def check_items(statement, items):
    for item in items:
        if item and item[-1].text == "*" and (len(item) == 1 or item[-2].text == "."):
            raise SqlError(statement.path, item[0].line, "name the columns instead of *, which gives others after a migration")


def without_name(item):
    """The tokens of an item before its `as name` or `name`."""
    if len(item) > 2 and item[-2].text.lower() == "as":
        return item[:-2]
    is_named = len(item) > 1 and item[-1].kind in ("word", "quoted") and (item[-2].kind == "word" or item[-2].text in (")", "]"))
    return item[:-1] if is_named and item[-1].text.lower() != "end" else item


def is_column(item):
    item = without_name(item)
    is_name = item[-1].text.lower() not in NO_COLUMNS and (item[-1].kind == "word" or item[-1].text[0] in '"`')
    return is_name and (len(item) == 1 or (len(item) == 3 and item[1].text == "."))


def is_count(item):
    """Whether it is count(..) by itself, be it with `filter (..)` or `over (..)`."""
    texts, depth, outer = [token.text.lower() for token in without_name(item)], 0, []
    for text in texts:
        depth -= text == ")"
        outer += [text] if depth == 0 else []
        depth += text == "("
    while outer[3:4] in (["filter"], ["over"]) and len(outer) > 4:
        del outer[3:6 if outer[4] == "(" else 5]
    return outer == ["count", "(", ")"]


class Nulls:
    """What may be null in one dialect's text though the table's column may not, and what is a table's column in it at all."""

    def __init__(self, tokens, tables):
        self.items, self.joins = items_of(tokens), Joins(tokens, tables)
        words = [token.text.lower() for token in tokens if token.kind != "space"]
        # Of a union SQLite tells the first part's columns, and of a view nothing of the joins in it.
        self.is_hidden = any(word in words for word in SET_OPERATIONS) or \
            any(table.is_view and name in words for name, table in tables.items())
        self.has_scalar = has_inner_scalar(tokens)
        self.has_totals = any((word in ("rollup", "cube") and after == "(") or (word == "grouping" and after == "sets")
                              for word, after in zip(words, words[1:]))

    def item(self, at, count):
        return self.items[at] if len(self.items) == count else []

    def may_be_null(self, table):
        return self.has_scalar or self.has_totals or self.joins.may_be_empty(table)


def found_type(column, texts, items, schema, types):
    """The Type that a column has by itself, None if the texts do not tell it alike."""
    if any(is_count(item) for item in items):
        return types.named("int", "", 0) if all(is_count(item) for item in items) else None
    is_told = column.origin and not any(text.is_hidden for text in texts) and not (items[0] and items[0][0].text == "(")
    own = table_type(schema, types, column.table, column.origin) if is_told else None
    if own is None or not all(is_column(item) for item in items[1:] if item):
        return None
    return own.nullable() if any(text.may_be_null(column.table) for text in texts) else own


def columns_of(statement, tokens, found, schema, types, is_row, others=()):
    """[(name, Type)] of a prepared statement, whose text is `tokens`; of a row, each has a name that C++ can have. `others` are
    the tokens of other dialects."""
    texts = [Nulls(each, schema.tables) for each in (tokens, *others)]
    for text in texts:
        check_items(statement, text.items)
    stated = stated_columns(statement, types)
    result = []
    for at, column in enumerate(found.columns):
        items = [text.item(at, len(found.columns)) for text in texts]
        line = items[0][0].line if items[0] else statement.line
        own = found_type(column, texts, items, schema, types)
        if column.name in stated:
            kind, stated_line = stated.pop(column.name)
            if own and own.base != kind.base and not (own.base == "int" and kind.base == "bool"):
                raise SqlError(statement.path, stated_line,
                               f"column '{column.name}' is stated as {kind} where {column.table or 'its expression'} has {own.name}")
            own = kind
        if own is None:
            raise SqlError(statement.path, line, f"the type of '{column.name}' is not known: give it a name, and state "
                                                 f"'-- column: name int', with int? where it may be null")
        if is_row and (not NAME.match(column.name) or column.name in KEYWORDS):
            raise SqlError(statement.path, line, f"'{column.name}' cannot be a member of a row: name it with 'as'")
        if column.name in [name for name, _ in result]:
            raise SqlError(statement.path, line, f"two columns are called '{column.name}'")
        result.append((column.name, own))
    for name, (_, line) in stated.items():
        raise SqlError(statement.path, line, f"there is no column '{name}'")
    return result
