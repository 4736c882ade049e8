"""A folder's statements, read, expanded and prepared: all that emit.py writes."""

from dataclasses import dataclass, field

from accesses import accesses_of, written_names
from columns import columns_of
from lexer import SqlError, Token, collapse, is_write
from notation import numbered, paged, with_arrays
from pages import check_page
from parameters import Uses, check_parameters
from schema import check_owners, prepared, read_schema
from signature import Parser, Signature, Types
from statements import DIALECTS, migrations_of, statements_of, with_fragments

PARAMETERS_MAX = 999  # of one statement: SQLite's lowest default limit


@dataclass
class Named:
    """A text that is sent under a name: a constant in C++."""

    name: str
    texts: dict  # by dialect
    parameters: int
    writes: bool
    accesses: list = field(default_factory=list)


@dataclass
class Function:
    """A typed statement; a page has two texts, its first and those behind."""

    name: str
    path: str
    line: int
    signature: Signature
    sent: list  # of Named
    writes: bool


@dataclass
class Folder:
    path: str
    types: Types
    migrations: list
    untyped: list = field(default_factory=list)  # of (Statement, Named)
    functions: list = field(default_factory=list)
    inputs: list = field(default_factory=list)
    schema: object = None


def parameters_of(statement):
    """How many parameters an untyped statement takes; the dialects must agree, and none may be left out."""
    counts = {}
    for dialect, tokens in statement.sections.items():
        used = {}
        for token in tokens:
            if token.kind == "parameter":
                used.setdefault(int(token.text[1:]), token.line)
            # PostgreSQL's jsonb has operators of that name.
            if token.kind == "other" and token.text == "?" and dialect != "postgres":
                raise SqlError(statement.path, token.line, "write parameters as $1, not ?")
            if token.kind == "named":
                raise SqlError(statement.path, token.line,
                               f"'{statement.name}' is not typed: write {token.text} as $1, or its type into the line of the name")
        for number, line in used.items():
            if number == 0 or number > PARAMETERS_MAX:
                raise SqlError(statement.path, line,
                               f"parameter ${number} in '{statement.name}' is not in 1..{PARAMETERS_MAX}")
        highest = max(used, default=0)
        for number in range(1, highest + 1):
            if number not in used:
                raise SqlError(statement.path, used[highest], f"'{statement.name}' uses ${highest} but not ${number}")
        counts[dialect] = highest
    if len(set(counts.values())) > 1:
        raise SqlError(statement.path, statement.line,
                       f"'{statement.name}' takes {counts['sqlite']} parameters on sqlite and {counts['postgres']} on postgres")
    return next(iter(counts.values()))


def for_dialect(tokens, dialect):
    """To SQLite, $1 is a parameter *named* 1, numbered by occurrence."""
    if dialect != "sqlite":
        return tokens
    return [Token(t.kind, "?" + t.text[1:], t.line) if t.kind == "parameter" else t for t in tokens]


def named(name, tokens, parameters, writes):
    return Named(name, {dialect: collapse(for_dialect(tokens[dialect], dialect)) for dialect in DIALECTS}, parameters, writes)


def read_statements(root, paths, types, dialects=DIALECTS):
    """([Statement with its fragments in place], files read); what the files say of types goes into `types`."""
    everything, inputs = [], []
    for path in paths:
        shown = str(path.relative_to(root))
        inputs.append(path)
        before = (len(types.ids), len(types.columns), len(types.rows))
        statements = statements_of(path, shown, types.add, dialects)
        if not statements and before == (len(types.ids), len(types.columns), len(types.rows)):
            raise SqlError(shown, 1, "no '-- name:' in this file")
        everything += statements
    seen = {}
    for statement in everything:
        if statement.name in seen:
            raise SqlError(statement.path, statement.line, f"'{statement.name}' is already defined at {seen[statement.name]}")
        seen[statement.name] = f"{statement.path}:{statement.line}"
    fragments = {each.name: each for each in everything if each.is_fragment}
    used = set()
    whole = [with_fragments(statement, fragments, used, dialects) for statement in everything]
    for fragment in fragments.values():
        if fragment.name not in used:
            raise SqlError(fragment.path, fragment.line, f"no statement uses the fragment '{fragment.name}'")
    return [statement for statement in whole if not statement.is_fragment], inputs


class Reader:
    """Reads one folder. Without a schema nothing is prepared, and nothing may be typed (tests of the texts)."""

    def __init__(self, root, folder, is_checked=True):
        self.root = root
        types = Types()
        statements, inputs = read_statements(root, sorted((root / folder / "sql").glob("*.sql")), types)
        schema = read_schema(root, folder) if is_checked else None
        own = schema.migrations[folder] if schema else migrations_of(root / folder / "sql" / "migrations", root)
        self.folder = Folder(folder, types, own, inputs=inputs + (schema.inputs if schema else []), schema=schema)
        self.types, self.schema = types, schema
        self.check_types()
        for statement in statements:
            if statement.typed:
                self.folder.functions.append(self.function(statement))
            else:
                self.folder.untyped.append((statement, self.untyped(statement)))

    def check_types(self):
        for (table, column), (_, path, line) in self.types.columns.items():
            kind = self.types.column(table, column)
            if self.schema and (table not in self.schema.tables or column not in self.schema.tables[table].columns):
                raise SqlError(path, line, f"there is no column {table}.{column}")
            if self.schema and self.schema.owners[table] != self.folder.path:
                raise SqlError(path, line, f"'{table}' belongs to {self.schema.owners[table]}")
            declared = self.schema.tables[table].columns[column][0] if self.schema else ""
            if kind.base == "int" and declared not in ("", "int", "integer", "bigint"):
                raise SqlError(path, line, f"{table}.{column} is {declared}, which {kind} is not")

    def prepared(self, statement, tokens):
        found = prepared(self.schema, self.root, self.folder.path, statement, for_dialect(tokens, "sqlite"))
        if "postgres" in statement.sections:
            self.add_named(statement, statement.sections["postgres"], found)
        return found

    def add_named(self, statement, text, found):
        """Adds the tables that PostgreSQL's own text names."""
        written = written_names(text)
        named = Uses(text, found, self.schema, self.types).scopes.named | written
        check_owners(self.schema, self.folder.path, statement, text, {name for name in self.schema.owners if name.lower() in named})
        for name in self.schema.tables:
            if name.lower() in named - found.tables:
                found.tables |= self.schema.scratch.prepare(f'select * from "{name}"').tables  # of a view also what is behind it
            if name.lower() in written:
                found.written.add(name)

    def untyped(self, statement):
        parameters = parameters_of(statement)
        # A write in one dialect is a write in both: SQLite has no `for update`.
        writes = any(is_write(tokens) for tokens in statement.sections.values())
        texts = {dialect: statement.tokens(dialect) for dialect in DIALECTS}
        sent = named(statement.name, texts, parameters, writes)
        if self.schema:
            found = self.prepared(statement, statement.tokens("sqlite"))
            sent.accesses = accesses_of(texts, [], found, self.schema.tables)
        return sent

    def function(self, statement):
        signature = Parser(statement.typed, self.types, statement.path, statement.line).signature()
        texts = {dialect: statement.tokens(dialect) for dialect in DIALECTS}
        expanded = {dialect: with_arrays(texts[dialect], signature.parameters, dialect, statement.path) for dialect in DIALECTS}
        names = [parameter.name for parameter in signature.parameters]
        tokens = {dialect: numbered(expanded[dialect], names, dialect, statement.path, statement.line, statement.name)
                  for dialect in DIALECTS}
        found = self.prepared(statement, tokens["sqlite"])
        writes = any(is_write(tokens[dialect]) for dialect in DIALECTS) or not found.is_read_only
        is_row = len(found.columns) > 1 or bool(signature.row) or signature.cardinality == "page"
        signature.columns = columns_of(statement, expanded["sqlite"], found, self.schema, self.types, is_row,
                                       [] if "both" in statement.sections else [expanded["postgres"]])
        self.check_cardinality(statement, signature, writes)
        for each in statement.sections.values():
            check_parameters(statement, signature, each, found, self.schema, self.types)
        if signature.cardinality == "page":
            check_page(statement, signature, found, self.schema, self.types)
            sent = self.page(statement, signature, expanded)
        else:
            sent = [named(statement.name, tokens, len(names), writes)]
        for each in sent:
            each.accesses = accesses_of(texts, names, found, self.schema.tables)
        return Function(statement.name, statement.path, statement.line, signature, sent, writes)

    @staticmethod
    def check_cardinality(statement, signature, writes):
        cardinality = signature.cardinality
        if cardinality == "exec" and signature.columns:
            raise SqlError(statement.path, statement.line, "gives rows: it is :one, :maybe, :many or :stream, not :exec")
        if cardinality != "exec" and not signature.columns:
            raise SqlError(statement.path, statement.line, f"gives no row: it is :exec, not :{cardinality}")
        if writes and cardinality in ("stream", "page"):
            raise SqlError(statement.path, statement.line, f"writes or locks rows: a :{cardinality} only reads")

    def page(self, statement, signature, expanded):
        """Its two statements: the first page, and one behind a cursor. Each is prepared."""
        names = [parameter.name for parameter in signature.parameters]
        after = [f"after_{name}" for name, _ in signature.order]
        for name in (*after, "page_rows"):
            if name in names:
                raise SqlError(statement.path, statement.line, f"'{name}' is a parameter that a page has of itself")
        sent = []
        for suffix, more in (("", []), ("_after", after)):
            parameters = [*names, *more, "page_rows"]
            tokens = {dialect: numbered(paged(expanded[dialect], signature.order, not more, dialect, statement.path, statement.line),
                                        parameters, dialect, statement.path, statement.line, statement.name)
                      for dialect in DIALECTS}
            self.prepared(statement, tokens["sqlite"])
            sent.append(named(statement.name + suffix, tokens, len(parameters), False))
        return sent


def parameter_bases(function, sent):
    """What each parameter of one of its texts is bound as: int, real, text, bytes, bool."""
    signature = function.signature
    bases = [parameter.base() for parameter in signature.parameters]
    if signature.cardinality == "page":
        known = dict(signature.columns)
        if sent is not function.sent[0]:
            bases += [known[name].base for name, _ in signature.order]
        bases.append("int")
    return bases
