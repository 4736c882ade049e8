"""Questions to the column store, of a folder's sql/facts: read, expanded and prepared; all that emit_facts.py writes.

sql/facts/tables.sql makes the tables of facts and their rollups as questions see them; the other files have the questions.
"""

from dataclasses import dataclass, field

from columns import columns_of, items_of
from duckdb_scratch import TABLE_KINDS, DuckScratch, Refused
from facts_nulls import check_nulls, question
from folder import Function, Named, read_statements
from lexer import SqlError, Token, collapse, is_write, tokens_of
from notation import numbered, with_arrays
from parameters import Uses, check_parameters
from scratch import Column, Prepared, Table
from signature import Parser, Types
from statements import HEAD, directive_lines

DIALECTS = ("duckdb", "clickhouse")
CARDINALITIES = ("one", "maybe", "many", "stream", "export")
ARGUMENTS = ("context", "file")  # what functions of questions call their other arguments
TABLES = "tables.sql"
SQL_TYPES = {"int": "bigint", "real": "double", "text": "varchar", "bool": "boolean"}  # DuckDB's
# tables of facts hold times as such, and the database's as numbers: table_type() knows these.
DECLARED = {"int": "bigint", "timestamp": "bigint", "real": "real", "text": "text", "bool": "boolean"}
LETTERS = {"int": "i", "timestamp": "m", "real": "r", "text": "t", "bool": "b"}  # of loadstone/analytics/columns.h


@dataclass
class Tables:
    """As schema.Schema, as far as columns.py and parameters.py ask."""

    tables: dict = field(default_factory=dict)  # name to scratch.Table
    forms: dict = field(default_factory=dict)  # name to "at:m course:i points:i?"


@dataclass
class Folder:
    path: str
    types: Types
    schema: Tables
    functions: list = field(default_factory=list)
    inputs: list = field(default_factory=list)
    untyped: tuple = ()
    migrations: tuple = ()


def lined(tokens):
    """The text of tokens and its first line: each token stands on the line that it has in the file, for errors."""
    text, line, is_apart = "", next(token.line for token in tokens if token.kind != "space"), False
    first = line
    for token in tokens:
        if token.kind == "space":
            is_apart = True
            continue
        text += "\n" * (token.line - line) or (" " if is_apart else "")
        line, is_apart = max(line, token.line) + token.text.count("\n"), False
        text += token.text
    return text, first


def run(scratch, call, tokens, path):
    """What `call` gives for the text of `tokens`; errors name the line."""
    text, first = lined(tokens)
    try:
        return call(text)
    except Refused as refused:
        raise SqlError(path, first + max(refused.line, 1) - 1, str(refused)) from None


def read_tables(scratch, path, shown, types):
    """Makes the tables of tables.sql; Tables."""
    text = path.read_text(encoding="utf-8")
    for number, directive in directive_lines(text, shown).items():
        if directive.group(1) not in HEAD:
            raise SqlError(shown, number, f"'-- {directive.group(1)}:' in {TABLES}, which makes tables alone")
        types.add(directive.group(1), directive.group(2), shown, number)
    lines, statement = {}, []
    for token in [*tokens_of(text, shown, 1), Token("other", ";", 0)]:
        if token.text != ";":
            statement.append(token)
            continue
        words = [each for each in statement if each.kind != "space"]
        if words:
            if [each.text.lower() for each in words[:2]] != ["create", "table"]:
                raise SqlError(shown, words[0].line, f"{TABLES} has nothing but 'create table'")
            run(scratch, scratch.execute, statement, shown)
            lines[words[2].text] = words[0].line
        statement = []
    found = Tables()
    for name, columns in scratch.tables().items():
        found.tables[name] = Table(False)
        form = []
        for column, (kind, is_not_null) in columns.items():
            if kind not in TABLE_KINDS:
                raise SqlError(shown, lines.get(name, 1), f"{name}.{column} is {kind}: a column is one of {', '.join(TABLE_KINDS)}")
            kind = TABLE_KINDS[kind]
            found.tables[name].columns[column] = (DECLARED[kind], is_not_null)
            form.append(f"{column}:{LETTERS[kind]}{'' if is_not_null else '?'}")
            if kind == "timestamp":
                types.columns.setdefault((name, column), ("timestamp", shown, lines.get(name, 1)))
        found.forms[name] = " ".join(form)
    return found


def number(kind, text, dialect):
    """An integer, or what is one to us, out of a text of digits."""
    if dialect == "clickhouse":
        return f"toInt64({text})"
    value = f"cast({text} as bigint)"
    return f"make_timestamp({value})" if kind.name == "timestamp" else value


def each_of(parameter, dialect):
    """The elements of an array, which is sent as "3,5", as rows of a column `of_array`."""
    if dialect == "clickhouse":
        return f"(select arrayJoin(arrayFilter(x -> x != '', splitByChar(',', ${parameter.name}))) as of_array)"
    return f"(select unnest(string_split(cast(${parameter.name} as varchar), ',')) as of_array)"


def member(parameter, dialect, is_negated):
    value = number(parameter.type, "of_array", dialect)
    where = " where of_array <> ''" if dialect == "duckdb" else ""
    return f"{'not in' if is_negated else 'in'} (select {value} from {each_of(parameter, dialect)}{where})"


def rows(parameter, dialect):
    """Of an array of rows, which is sent as "3:10,5:2"."""
    part = "splitByChar(':', of_array)[{}]" if dialect == "clickhouse" else "split_part(of_array, ':', {})"
    columns = ", ".join(f"{number(kind, part.format(at), dialect)} as {name}" for at, (name, kind) in enumerate(parameter.fields, 1))
    where = " where of_array <> ''" if dialect == "duckdb" else ""
    return f"(select {columns} from {each_of(parameter, dialect)}{where})"


FORMS = {"in": member, "rows": rows}


def with_types(tokens, parameters, dialect, path):
    """The tokens with each $name cast to its type: DuckDB checks it so, and takes it for nothing else."""
    if dialect != "duckdb":
        return tokens
    known = {"$" + parameter.name: parameter.type for parameter in parameters if not parameter.is_array}
    out = []
    for token in tokens:
        if token.kind != "named" or token.text not in known:
            out.append(token)
            continue
        kind = known[token.text]
        text = f"cast({token.text} as {SQL_TYPES[kind.base]})"
        text = f"make_timestamp({text})" if kind.name == "timestamp" else text
        out += [Token(each.kind, each.text, token.line) for each in tokens_of(text, path, token.line)]
    return out


def name_of(item):
    """What an item of a select list is called, "" where its text does not say."""
    if len(item) > 2 and item[-2].text.lower() == "as":
        return item[-1].text.strip('"`')
    if len(item) == 1 or (len(item) == 3 and item[1].text == "."):
        return item[-1].text.strip('"`') if item[-1].kind in ("word", "quoted") else ""
    return ""


def given_names(tokens):
    """The names that a statement gives with `as`, but for those of its own result."""
    words = [token for token in tokens if token.kind != "space"]
    depth, found = 0, set()
    for before, token in zip(words, words[1:]):
        depth += {"(": 1, ")": -1}.get(before.text, 0)
        if before.text.lower() == "as" and depth > 0:
            found.add(token.text.lower())
    return found


def origin_of(item, uses, hidden):
    """(table, column) of an item that is a column of a table by itself, where that is certain; else ("", "")."""
    core = item[:-2] if len(item) > 2 and item[-2].text.lower() == "as" else item
    if not core or core[-1].kind not in ("word", "quoted") or len(core) not in (1, 3) or (len(core) == 3 and core[1].text != "."):
        return "", ""
    name = core[-1].text.strip('"').lower()
    if len(core) == 3:
        tables = [uses.aliases[core[0].text.lower()]] if core[0].text.lower() in uses.aliases else []
    else:
        tables = [] if name in hidden else uses.tables
    tables = [table for table in tables if name in uses.schema.tables[table].columns]
    # Where it is not said which: the one that may be null, if any.
    tables.sort(key=lambda table: uses.schema.tables[table].columns[name][1])
    return (tables[0], name) if tables else ("", "")


class Reader:
    def __init__(self, root, folder, duckdb):
        types = Types()
        self.scratch = DuckScratch(duckdb)
        place = root / folder / "sql" / "facts"
        tables = place / TABLES
        if not tables.exists():
            raise SqlError(f"{folder}/sql/facts/{TABLES}", 1, "is missing: it makes the tables of facts that the questions ask")
        schema = read_tables(self.scratch, tables, str(tables.relative_to(root)), types)
        paths = [path for path in sorted(place.glob("*.sql")) if path != tables]
        statements, inputs = read_statements(root, paths, types, DIALECTS)
        self.folder = Folder(folder, types, schema, inputs=[tables, *inputs])
        self.check_types()
        self.questions = []
        for statement in statements:
            self.folder.functions.append(self.function(statement))
        check_nulls(self.scratch, self.scratch.tables(), self.questions)
        self.scratch.close()

    def check_types(self):
        for (table, column), (name, path, line) in self.folder.types.columns.items():
            declared = self.folder.schema.tables.get(table, Table(False)).columns.get(column)
            if not declared:
                raise SqlError(path, line, f"there is no column {table}.{column}")
            if declared[0] != "bigint":
                raise SqlError(path, line, f"{table}.{column} is {declared[0]}, which {name} is not")

    def signature(self, statement):
        if not statement.typed:
            raise SqlError(statement.path, statement.line,
                           f"'{statement.name}' is not typed: say what it gives, as in '-- name: {statement.name} :many (since timestamp)'")
        found = Parser(statement.typed, self.folder.types, statement.path, statement.line, CARDINALITIES).signature()
        for parameter in found.parameters:
            kinds = [kind for _, kind in parameter.fields] or [parameter.type]
            if parameter.name in ARGUMENTS:
                raise SqlError(statement.path, statement.line, f"'{parameter.name}' cannot be the name of a parameter")
            if any(kind.base == "bytes" for kind in kinds):
                raise SqlError(statement.path, statement.line, f"'{parameter.name}': the column store has no bytes")
            if parameter.is_array and any(kind.base != "int" or kind.is_nullable for kind in kinds):
                raise SqlError(statement.path, statement.line, f"'{parameter.name}': an array is of int, timestamp or ids that are not null")
        return found

    def function(self, statement):
        signature = self.signature(statement)
        parameters, path, line = signature.parameters, statement.path, statement.line
        names = [parameter.name for parameter in parameters]
        texts = {dialect: statement.tokens(dialect) for dialect in DIALECTS}
        expanded = {dialect: with_arrays(with_types(texts[dialect], parameters, dialect, path), parameters, dialect, path, FORMS)
                    for dialect in DIALECTS}
        sent = {dialect: numbered(expanded[dialect], names, dialect, path, line, statement.name) for dialect in DIALECTS}
        if any(is_write(sent[dialect]) for dialect in DIALECTS):
            raise SqlError(path, line, f"'{statement.name}' does not begin with select or with: a question only reads")
        words = {token.text.lower() for token in expanded["duckdb"] if token.kind == "word"}
        found = Prepared([], words & set(self.folder.schema.tables), set(), True)
        for dialect in DIALECTS:
            check_parameters(statement, signature, texts[dialect], found, self.folder.schema, self.folder.types)
        given = run(self.scratch, self.scratch.prepare, sent["duckdb"], path)
        found.columns = self.columns(texts["duckdb"], expanded["duckdb"], found, given)
        signature.columns = columns_of(statement, expanded["duckdb"], found, self.folder.schema, self.folder.types, True)
        self.check_result(statement, signature, given)
        self.check_names(statement, signature, expanded["clickhouse"])
        self.questions.append(question(statement, signature, sent["duckdb"]))
        named = Named(statement.name, {dialect: collapse(sent[dialect]) for dialect in DIALECTS}, len(names), False)
        return Function(statement.name, path, line, signature, [named], False)

    def columns(self, written, expanded, found, given):
        """As columns.py wants them: where one comes from is told by the text, since DuckDB does not say."""
        uses, hidden = Uses(written, found, self.folder.schema, self.folder.types), given_names(expanded)
        items = items_of(expanded)
        origins = [origin_of(item, uses, hidden) for item in items] if len(items) == len(given) else [("", "")] * len(given)
        return [Column(column.name, column.kind, *origin) for column, origin in zip(given, origins)]

    @staticmethod
    def check_result(statement, signature, given):
        for (name, kind), column in zip(signature.columns, given):
            expected = "timestamp" if kind.name == "timestamp" else kind.base
            if column.kind != expected:
                raise SqlError(statement.path, statement.line,
                               f"column '{name}' is {kind.name} here and "
                               f"{column.kind or 'of a type that cannot be read'} in DuckDB: cast it there, or state what it is")

    @staticmethod
    def check_names(statement, signature, tokens):
        """ClickHouse's columns, as far as their names stand in the text."""
        items = items_of(tokens)
        names = [name for name, _ in signature.columns]
        line = next(token.line for token in tokens if token.kind != "space")
        if len(items) != len(names):
            raise SqlError(statement.path, line, f"clickhouse gives {len(items)} columns, duckdb {len(names)}")
        for item, name in zip(items, names):
            if name_of(item) != name:
                raise SqlError(statement.path, item[0].line, f"clickhouse has '{name_of(item)}' where duckdb has '{name}'")
