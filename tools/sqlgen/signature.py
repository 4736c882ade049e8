"""What a typed statement's header line says: its cardinality, parameters and row.

    -- name: insert_user :one (name text, email text, photo bytes?)
    -- name: events :page (happened_at desc, id desc) (user UserId) -> Event
    -- name: insert_slices :exec (run int, slices (number int, learners int)[])
    -- name: invite :exec (people Person(email text, name text)[])

and what a folder says once, before its first `-- name:`:

    -- id: UserId campus::accounts::UserTag
    -- type: UserId users.id sessions.user_id
    -- row: Course campus/courses/courses.h
"""

import re
from dataclasses import dataclass, field, replace

from lexer import SqlError
from statements import KEYWORDS

CARDINALITIES = ("one", "maybe", "many", "stream", "page", "exec")
BASES = {  # what a column holds, as C++ returns it and takes it
    "int": ("std::int64_t", "std::int64_t"),
    "real": ("double", "double"),
    "text": ("std::string", "std::string_view"),
    "bytes": ("std::vector<std::byte>", "std::span<const std::byte>"),
    "bool": ("bool", "bool"),
}
NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
TYPE_NAME = re.compile(r"[A-Z][A-Za-z0-9]*\Z")
RESERVED = frozenset(("tx", "reader", "sink", "limit", "after", "called_from"))  # what generated functions call their other arguments
PIECE = re.compile(r"\s*(->|::|\[\]|:[a-z]+|[A-Za-z_][A-Za-z0-9_]*|[(),?]|\S)")


@dataclass(frozen=True)
class Type:
    """A column's or parameter's type. `name` is what the .sql file calls it: int, UserId, timestamp."""

    base: str
    name: str
    is_nullable: bool = False

    def nullable(self, is_nullable=True):
        return replace(self, is_nullable=is_nullable)

    def returned(self):
        """The C++ type of a row's member."""
        return self.wrapped(self.cpp(0))

    def taken(self):
        """The C++ type of a parameter."""
        return self.wrapped(self.cpp(1))

    def cpp(self, which):
        if self.name == "timestamp":
            return "loadstone::Timestamp"
        return BASES[self.base][which] if self.name in BASES else self.name

    def wrapped(self, cpp):
        return f"std::optional<{cpp}>" if self.is_nullable else cpp

    def __str__(self):
        return self.name + ("?" if self.is_nullable else "")


@dataclass
class Parameter:
    """`type` is the element's of an array of values; a range of rows has `fields`, [(name, Type)], of a struct `row`."""

    name: str
    type: Type = None
    is_array: bool = False
    fields: list = field(default_factory=list)
    row: str = ""  # empty: it is named after the statement and the parameter

    def base(self):
        """What is bound: arrays are bound as JSON."""
        return "text" if self.is_array else self.type.base


@dataclass
class Signature:
    cardinality: str
    parameters: list
    row: str = ""  # the struct's name, where one is given
    order: list = field(default_factory=list)  # of a page: [(column, is_descending)]
    is_unique: bool = False  # of a page: it is stated that its rows differ in these columns
    columns: list = field(default_factory=list)  # [(name, Type)], found by preparing


class Types:
    """The types that a folder knows: those of SQL, its ids, and which of its columns are what."""

    def __init__(self):
        self.ids = {}  # UserId: campus::accounts::UserTag
        self.columns = {}  # (users, id): Type
        self.rows = {}  # Course: campus/courses/courses.h

    def named(self, name, path, line):
        if name in BASES:
            return Type(name, name)
        if name == "timestamp" or name in self.ids:
            return Type("int", name)
        known = ", ".join([*BASES, "timestamp", *sorted(self.ids)])
        raise SqlError(path, line, f"there is no type '{name}'; there are {known}")

    def add(self, directive, text, path, line):
        """A line before the first statement."""
        words = text.split()
        if directive == "id":
            if len(words) != 2 or not TYPE_NAME.match(words[0]) or not re.match(r"\w+(::\w+)+\Z", words[1]):
                raise SqlError(path, line, "not of the form '-- id: UserId campus::accounts::UserTag'")
            self.ids[words[0]] = words[1]
        elif directive == "row":
            if len(words) != 2 or not TYPE_NAME.match(words[0]) or not words[1].endswith(".h"):
                raise SqlError(path, line, "not of the form '-- row: Course campus/courses/courses.h'")
            self.rows[words[0]] = words[1]
        elif directive == "type":
            columns = [word.split(".") for word in words[1:]]
            if not columns or any(len(column) != 2 for column in columns):
                raise SqlError(path, line, "not of the form '-- type: UserId users.id sessions.user_id'")
            for table, column in columns:
                self.columns[table, column] = (words[0], path, line)

    def column(self, table, column):
        """The Type that the folder gives a column, or None."""
        if (table, column) not in self.columns:
            return None
        return self.named(*self.columns[table, column])


class Parser:
    """Of one header line, after the statement's name."""

    def __init__(self, text, types, path, line, cardinalities=CARDINALITIES):
        self.pieces = PIECE.findall(text)
        self.cardinalities = cardinalities
        self.types, self.path, self.line = types, path, line
        self.at, self.is_unique = 0, False

    def error(self, text):
        return SqlError(self.path, self.line, text)

    def peek(self):
        return self.pieces[self.at] if self.at < len(self.pieces) else ""

    def take(self, expected=""):
        piece = self.peek()
        if not piece or (expected and piece != expected):
            raise self.error(f"'{piece}' where {expected or 'a word'} is expected in the line of the name" if piece else
                             f"the line of the name ends where {expected or 'a word'} is expected")
        self.at += 1
        return piece

    def name(self, what):
        name = self.take()
        if not NAME.match(name) or name in KEYWORDS or (what == "parameter" and name in RESERVED):
            raise self.error(f"'{name}' cannot be the name of a {what}")
        return name

    def listed(self, read):
        """( read , read , ... )"""
        found = []
        self.take("(")
        while self.peek() != ")":
            found.append(read())
            if self.peek() != ")":
                self.take(",")
        self.take(")")
        return found

    def key(self):
        name = self.name("column")
        direction = self.take() if self.peek() in ("asc", "desc") else "asc"
        self.is_unique = self.peek() == "unique" and self.take() == "unique"
        if self.is_unique and self.peek() != ")":
            raise self.error(f"'unique' stands behind the last column of a page's order, not behind '{name}'")
        return name, direction == "desc"

    def type(self):
        found = self.types.named(self.take(), self.path, self.line)
        if self.peek() == "?":
            self.take()
            found = found.nullable()
        return found

    def field(self):
        name = self.name("column")
        found = self.type()
        if found.base == "bytes":
            raise self.error(f"'{name}': bytes cannot be in an array, which is sent as JSON")
        return name, found

    def parameter(self):
        name = self.name("parameter")
        is_named = self.pieces[self.at + 1:self.at + 2] == ["("]
        row = self.take() if is_named else ""
        if row and not TYPE_NAME.match(row):
            raise self.error(f"'{row}' is not the name of a row: a struct's, as in 'people Person(email text)[]'")
        if self.peek() == "(":
            fields = self.listed(self.field)
            self.take("[]")
            if not fields:
                raise self.error(f"'{name}' has no columns")
            return Parameter(name, is_array=True, fields=fields, row=row)
        found = self.type()
        if self.peek() != "[]":
            return Parameter(name, found)
        self.take()
        if found.is_nullable or found.base == "bytes":
            raise self.error(f"'{name}': an array of {found} cannot be sent")
        return Parameter(name, found, is_array=True)

    def signature(self):
        first = self.take()
        cardinality = first.removeprefix(":")
        if first == cardinality or cardinality not in self.cardinalities:
            raise self.error(f"'{first}' is not one of :{', :'.join(self.cardinalities)}")
        order = self.listed(self.key) if cardinality == "page" else []
        if cardinality == "page" and not order:
            raise self.error("a page has no order: ':page (created_at desc, id desc)'")
        parameters = self.listed(self.parameter) if self.peek() == "(" else []
        row = ""
        if self.peek() == "->":
            self.take()
            row = self.take()
            if not TYPE_NAME.match(row):
                raise self.error(f"'{row}' is not the name of a row: a struct's, as in '-> User'")
        if self.peek():
            raise self.error(f"'{self.peek()}' is too much in the line of the name")
        names = [parameter.name for parameter in parameters]
        for name in names:
            if names.count(name) > 1:
                raise self.error(f"two parameters are called '{name}'")
        return Signature(cardinality, parameters, row, order, self.is_unique)
