"""The schema that a folder's statements see: its own migrations after those of the modules that it depends on."""

import re
from dataclasses import dataclass, field

from lexer import SqlError, collapse
from scratch import Refused, Scratch
from statements import migrations_of

DEPENDS = re.compile(r"\bdepends_on\s*=?\s*\{([^}]*)\}")  # in a module.cc, as tools/tidy reads it
ADVICE = "call a function of its public header, or react to its event"


@dataclass
class Schema:
    scratch: Scratch
    tables: dict = field(default_factory=dict)  # name to scratch.Table
    owners: dict = field(default_factory=dict)  # table to folder
    migrations: dict = field(default_factory=dict)  # folder to [Migration], in the order of application
    inputs: list = field(default_factory=list)  # files that were read


def depends_on(root, folder, inputs):
    """The folders of the modules that this one's module.cc names."""
    module = root / folder / "module.cc"
    if not module.exists():
        return []
    inputs.append(module)
    match = DEPENDS.search(module.read_text(encoding="utf-8"))
    names = re.findall(r'"(\w+)"', match.group(1)) if match else []
    parent = folder.rpartition("/")[0]
    return [f"{parent}/{name}" if parent else name for name in names]


def graph(root, folder, inputs, order=None):
    """The folder behind all that it depends on, each once. (tools/tidy finds cycles; here they end.)"""
    order = [] if order is None else order
    if folder in order:
        return order
    for other in depends_on(root, folder, inputs):
        if (root / other).is_dir() and other != folder:
            graph(root, other, inputs, order)
    if folder not in order:
        order.append(folder)
    return order


def positioned(tokens):
    """The text of tokens and, for each of its bytes, the line: for errors."""
    text, lines = "", []
    for token in tokens:
        piece = " " if token.kind == "space" else token.text
        text += piece
        lines += [token.line] * len(piece.encode())
    return text, lines


def line_at(lines, offset, default):
    return lines[offset] if 0 <= offset < len(lines) else default


def line_of_word(tokens, word, default):
    """Where a text first names something."""
    return next((token.line for token in tokens if token.text.strip('"`').lower() == word.lower()), default)


def apply(scratch, migration):
    tokens = migration.tokens["sqlite"]
    statement = []
    for token in [*tokens, None]:
        if token is not None:
            statement.append(token)
        if token is None or token.text == ";":
            if not collapse(statement).strip("; "):
                statement = []
                continue
            text, lines = positioned(statement)
            # A trigger's body has statements of its own: it is complete where SQLite says so.
            if token is not None and not scratch.is_complete(text):
                continue
            try:
                scratch.execute(text)
            except Refused as refused:
                first = next(each.line for each in statement if each.kind != "space")
                raise SqlError(migration.path, line_at(lines, refused.offset, first), str(refused)) from None
            statement = []


def read_schema(root, folder):
    schema = Schema(Scratch())
    for each in graph(root, folder, schema.inputs):
        schema.migrations[each] = migrations_of(root / each / "sql" / "migrations", root)
        schema.inputs += sorted((root / each / "sql" / "migrations").glob("*.sql"))
        for migration in schema.migrations[each]:
            apply(schema.scratch, migration)
        for name in schema.scratch.tables():
            schema.owners.setdefault(name, each)
    schema.tables = schema.scratch.tables()
    return schema


def owner_beyond(root, folder, table):
    """The folder beside this one whose migrations create a table: one that it does not depend on."""
    parent = (root / folder).parent
    for other in sorted(parent.iterdir()):
        if not (other / "sql" / "migrations").is_dir():
            continue
        name = str(other.relative_to(root))
        try:
            if read_schema(root, name).owners.get(table) == name:
                return name
        except SqlError:
            continue
    return ""


def prepared(schema, root, folder, statement, tokens):
    """Prepares tokens on SQLite; errors name the line. Only tables of the folder may be touched."""
    text, lines = positioned(tokens)
    try:
        found = schema.scratch.prepare(text)
    except Refused as refused:
        message, at = str(refused), line_at(lines, refused.offset, statement.line)
        missing = re.match(r"no such table: (?:\w+\.)?(\w+)", message)
        if missing:
            at = line_of_word(tokens, missing.group(1), at)
            owner = owner_beyond(root, folder, missing.group(1))
            if owner:
                message = f"'{missing.group(1)}' belongs to {owner}, which this module does not depend on: {ADVICE}"
        elif refused.offset < 0 and (unknown := re.search(r"column:? (?:named )?(?:\w+\.)*(\w+)", message)):
            at = line_of_word(tokens, unknown.group(1), at)
        raise SqlError(statement.path, at, message) from None
    check_owners(schema, folder, statement, tokens, found.tables)
    return found


def check_owners(schema, folder, statement, tokens, tables):
    """Raises if one of the tables is another folder's."""
    for table in sorted(tables):
        owner = schema.owners.get(table, folder)
        if owner != folder:
            raise SqlError(statement.path, line_of_word(tokens, table, statement.line),
                           f"'{table}' belongs to {owner}: {ADVICE}")
