"""Rules on SQL: a module's statements name only the tables that its own migrations create."""

import re
import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "sqlgen"))

import statements as sql  # noqa: E402
from lexer import SqlError  # noqa: E402
from source import Finding  # noqa: E402

SYSTEM = re.compile(r"(sqlite_\w+|pg_\w+|information_schema|excluded|new|old|dual)\Z")
FUNCTIONS_WITH_FROM = ("extract", "substring", "trim", "overlay", "position")
STOP = frozenset("""
    where on using set select values order group having limit offset union except intersect returning for window when
    join inner left right full outer cross natural as begin default from into only lateral tablesample not if cascade
    """.split())


class Scan:
    """The tables that a text names, and those that it creates."""

    def __init__(self, tokens):
        self.tokens = [token for token in tokens if token.kind != "space"]
        self.named = []  # (table, line)
        self.created = []  # (table, line)
        self.local = set()  # names of common table expressions
        self.scan()
        self.named = [(name, line) for name, line in self.named if name not in self.local]

    def word(self, index):
        if 0 <= index < len(self.tokens) and self.tokens[index].kind == "word":
            return self.tokens[index].text.lower()
        return ""

    def text(self, index):
        return self.tokens[index].text.lower() if 0 <= index < len(self.tokens) else ""

    def name_at(self, index):
        """(name, index past it); the name without quotes and schema. ('', index) if none stands there."""
        if index >= len(self.tokens) or self.tokens[index].kind not in ("word", "quoted"):
            return "", index
        if self.tokens[index].text[0] == "'" or self.word(index) in STOP:
            return "", index
        if self.word(index) == "rows" and self.word(index + 1) == "from":  # PostgreSQL: rows from (function(..), ..)
            return "", index
        name = self.tokens[index].text.strip('"`')
        index += 1
        while self.text(index) == "." and index + 1 < len(self.tokens):
            schema, name = name, self.tokens[index + 1].text.strip('"`')
            if SYSTEM.match(schema.lower()):
                name = schema
            index += 2
        return name.lower(), index

    def skip(self, index, *words):
        while self.word(index) in words:
            index += 1
        return index

    def past(self, index):
        """The index past the parenthesis that opens at index."""
        depth = 0
        while index < len(self.tokens):
            depth += {"(": 1, ")": -1}.get(self.text(index), 0)
            index += 1
            if depth == 0:
                break
        return index

    def scan(self):
        openers = []  # the word before each parenthesis that is open
        for index, token in enumerate(self.tokens):
            if token.text == "(":
                openers.append(self.word(index - 1))
                if self.word(index - 1) == "as" or self.word(index - 1) == "materialized":
                    self.common_table(index - 1)
            elif token.text == ")" and openers:
                openers.pop()
            if token.kind != "word":
                continue
            word, before = token.text.lower(), self.word(index - 1)
            if word == "from":
                if (openers and openers[-1] in FUNCTIONS_WITH_FROM) or before == "distinct":
                    continue
                self.table_list(index + 1)
            elif word in ("join", "references"):
                self.table_list(index + 1, many=False)
            elif word == "using" and self.text(index + 1) != "(" and "delete" in self.words_before(index):
                self.table_list(index + 1)
            elif word == "into":
                self.table(self.skip(index + 1, "only"))
            elif word == "update" and before not in ("for", "do", "on", "key", "before", "after", "of"):
                following = self.skip(index + 1, "or", "ignore", "replace", "abort", "fail", "rollback", "only")
                if self.word(following) != "of":
                    self.table(following)
            elif word in ("table", "view") and before != "by":
                self.definition(index, before)
            elif word == "on" and self.creates_on(index):
                self.table(self.skip(index + 1, "only"))
            elif word == "truncate" and self.word(index + 1) != "table":
                self.table(index + 1)

    def words_before(self, index):
        """The words of the same statement before index."""
        words = []
        while index > 0 and self.text(index - 1) != ";":
            index -= 1
            words.append(self.word(index))
        return words

    def creates_on(self, index):
        """Whether this `on` is that of create index or create trigger."""
        words = self.words_before(index)
        return bool(words) and words[-1] == "create" and ("index" in words or "trigger" in words) and \
            not any(word in words for word in ("on", "begin", "where"))

    def table(self, index):
        name, end = self.name_at(index)
        if name and not SYSTEM.match(name):
            self.named.append((name, self.tokens[index].line))
        return end

    def table_list(self, index, many=True):
        while True:
            index = self.skip(index, "only", "lateral")
            if self.text(index) == "(":
                index = self.past(index)
            else:
                name, end = self.name_at(index)
                if not name:
                    return
                if self.text(end) == "(" and self.word(index - 1) != "references":
                    index = self.past(end)  # a function
                else:
                    index = self.table(index)
            if self.word(index) == "with" and self.word(index + 1) == "ordinality":
                index += 2
            if self.word(index) == "as":
                index += 1
            if self.word(index) and self.word(index) not in STOP:
                index += 1
                if self.text(index) == "(":
                    index = self.past(index)
            if not many or self.text(index) != ",":
                return
            index += 1

    def definition(self, index, before):
        statement = self.words_before(index)
        start = self.skip(index + 1, "if", "not", "exists", "only")
        name, end = self.name_at(start)
        if not name:
            return
        line = self.tokens[start].line
        if "create" in statement:
            self.created.append((name, line))
        else:
            self.named.append((name, line))
        if "alter" in statement and self.word(end) == "rename" and self.word(end + 1) == "to":
            self.created.append((self.name_at(end + 2)[0], line))

    def common_table(self, index):
        """`name [(columns)] as [[not] materialized] (`: index is at the last word before the parenthesis."""
        while self.word(index) in ("materialized", "not", "as"):
            index -= 1
        if self.text(index) == ")":
            depth = 0
            while index >= 0:
                depth += {")": 1, "(": -1}.get(self.text(index), 0)
                index -= 1
                if depth == 0:
                    break
        name = self.name_at(index)[0] if index >= 0 else ""
        if name:
            self.local.add(name)


def scans(root, path):
    """A scan of each migration, and of each statement's text that is PostgreSQL's alone: sqlgen prepares the others on SQLite,
    which sees their tables. [] if sqlgen will not have the file, which says so itself."""
    file = root / path
    text = file.read_text(encoding="utf-8")
    try:
        if "/migrations/" in path:
            directives = sql.directive_lines(text, path)
            sections = sql.sections_of(text.split("\n"), 1, directives, path)
            return [Scan(tokens) for tokens in sections.values()]
        return [Scan(statement.sections["postgres"]) for statement in sql.statements_of(file, path)
                if "postgres" in statement.sections]
    except SqlError:
        return []


def owner_of(path):
    """campus/accounts for campus/accounts/sql/users.sql: the folder whose tables these are."""
    return "/".join(path.split("/")[:2])


def check_tables(root, paths, layers):
    owners, findings = {}, []
    scanned = {path: scans(root, path) for path in paths if path.startswith(("loadstone/", "campus/"))}
    for path in sorted(scanned):
        if "/migrations/" not in path:
            continue
        owner = owner_of(path)
        for scan in scanned[path]:
            for table, line in scan.created:
                if owner.startswith("loadstone/") and not table.startswith("loadstone_"):
                    findings.append(Finding(path, line, "table", f"'{table}': the framework's tables begin with loadstone_"))
                if owner.startswith("campus/") and table.startswith("loadstone_"):
                    findings.append(Finding(path, line, "table", f"'{table}': loadstone_ names belong to the framework"))
                first = owners.setdefault(table, owner)
                if first != owner:
                    findings.append(Finding(path, line, "table", f"'{table}' is already a table of {first}: choose another name"))
    for path, found in sorted(scanned.items()):
        owner = owner_of(path)
        for scan in found:
            for table, line in scan.named:
                holder = owners.get(table)
                if holder == owner:
                    continue
                if holder is None:
                    findings.append(Finding(path, line, "table", f"no migration of {owner} creates '{table}'"))
                elif not (owner.startswith("loadstone/") and holder.startswith("loadstone/")
                          and holder.split("/")[1] in layers.get(owner.split("/")[1], (0, ()))[1]):
                    findings.append(Finding(
                        path, line, "table",
                        f"'{table}' belongs to {holder}: call a function of its public header, or react to its event"))
    return findings


QUESTION = re.compile(r"\banalytics::Query\b")
ASKED = ".asked(facts_sql::tables)"
SQL_TEXT = re.compile(r'"\s*(select\s+.+\sfrom\s|insert\s+(or\s+\w+\s+)?into\s|update\s+\w+\s+set\s|delete\s+from\s)',
                      re.IGNORECASE)


def check_sql_in_code(sources):
    for source in sources:
        if source.path.startswith("campus/") and not source.is_test:
            for match in SQL_TEXT.finditer(source.text):
                yield Finding(source.path, source.line_of(source.text, match.start()), "table",
                              "SQL in C++: put it into a .sql file of the module, under a name")
            for match in QUESTION.finditer(source.text):
                yield Finding(source.path, source.line_of(source.text, match.start()), "table",
                              "a question in C++: put it into sql/facts of the module, under a name")


def check_asked(sources, paths):
    """That each module which asks the column store lets its tables be compared with what it declares."""
    for path in paths:
        owner, _, name = path.partition("sql/facts/")
        if name == "tables.sql" and not any(ASKED in source.text for source in sources if source.path.startswith(owner)):
            yield Finding(path, 1, "table", f"nothing compares these tables with those that are declared: 'facts{ASKED}' behind them")
