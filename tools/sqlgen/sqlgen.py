#!/usr/bin/env python3
"""Generates sql.h, named statements and migrations as constants, from the .sql files of a folder.

    sqlgen.py --root TOP --folder campus/accounts --out BUILD/gen/campus/accounts/sql.h

Reads TOP/campus/accounts/sql/*.sql and .../sql/migrations/NNNN_title.sql; README.md beside this file gives the format.
The output depends on the inputs alone and is written only if it changes. Errors read `file:line: what`, exit status 1.
"""

import argparse
import pathlib
import re
import sys
from dataclasses import dataclass, field

DIALECTS = ("sqlite", "postgres")
NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql\Z")
DIRECTIVE = re.compile(r"\s*--\s*(name|fragment|dialect)\s*:\s*(.*?)\s*\Z")
PARAMETERS_MAX = 999  # of one statement: SQLite's lowest default limit
FRAGMENT_DEPTH_MAX = 8  # of fragments within fragments

# What a C++ declaration cannot be called.
KEYWORDS = frozenset("""
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl
    concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete
    do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable
    namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast
    requires return short signed sizeof static static_assert static_cast struct switch template this thread_local throw
    true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq migrations
    """.split())


class SqlError(Exception):
    """What is wrong, with the file and line where."""

    def __init__(self, path, line, text):
        super().__init__(f"{path}:{line}: {text}")


@dataclass
class Token:
    """A piece of SQL. `kind`: space, word, parameter, quoted (literals and quoted names), other."""

    kind: str
    text: str
    line: int


# One alternative per lexical form that can hide a `$1`, a `--` or a keyword. SQLite and PostgreSQL agree on these,
# but for E'' and $tag$ strings, which are PostgreSQL's, and `x` and [x] names, which are SQLite's: [ is left alone, as
# PostgreSQL's subscripts need it.
LEXEME = re.compile(r"""
    (?P<space>\s+)
  | (?P<comment>--[^\n]*)
  | (?P<block>/\*)
  | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')
  | (?P<quoted>'(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*`)
  | (?P<dollar>\$(?P<tag>[A-Za-z_][A-Za-z0-9_]*)?\$.*?\$(?(tag)(?P=tag))\$)
  | (?P<parameter>\$\d+)
  | (?P<word>[A-Za-z_][A-Za-z0-9_$]*)
  | (?P<number>\d[\w.]*)
  | (?P<other>.)
""", re.VERBOSE | re.DOTALL)


def block_comment_end(text, start, path, line):
    """The index past the block comment at `start`; PostgreSQL nests them."""
    depth = 0
    for match in re.finditer(r"/\*|\*/", text[start:]):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return start + match.end()
    raise SqlError(path, line, "a /* comment is never closed")


def tokens_of(text, path, line):
    """The tokens of a text that starts at `line`, comments turned into spaces."""
    tokens, position = [], 0
    while position < len(text):
        match = LEXEME.match(text, position)
        kind, end = match.lastgroup, match.end()
        if kind == "block":
            end, kind = block_comment_end(text, position, path, line), "space"
        elif kind == "comment":
            kind = "space"
        elif kind in ("escaped", "dollar", "tag"):
            kind = "quoted"
        elif kind == "number":
            kind = "other"
        piece = text[position:end]
        if kind == "other" and piece in ("'", '"', "`"):
            raise SqlError(path, line, f"a {piece} is never closed")
        tokens.append(Token(kind, piece, line))
        line += piece.count("\n")
        position = end
    return tokens


def collapse(tokens):
    """The text with each run of space as one, none at the ends and none after ( or before ) , ;"""
    out = ""
    pending = False
    for token in tokens:
        if token.kind == "space":
            pending = True
            continue
        if pending and out and not out.endswith("(") and token.text not in (")", ",", ";"):
            out += " "
        out += token.text
        pending = False
    return out


# A statement that begins otherwise changes something, if only the session.
READ_STARTS = frozenset(("select", "with", "values", "table", "explain", "show", "pragma"))


def is_write(tokens):
    """Whether the statement writes or locks rows."""
    meaningful = [token for token in tokens if token.kind != "space"]
    first = next((token.text.lower() for token in meaningful if token.text != "("), "")
    if first not in READ_STARTS:
        return True
    for token, following in zip(meaningful, meaningful[1:]):
        if token.kind != "word":
            continue
        word, after = token.text.lower(), following.text.lower()
        if word in ("insert", "update", "delete", "merge"):  # also in a with, and in: for update
            return True
        if word == "replace" and after != "(":  # replace(x, y, z) is a function
            return True
        if word == "for" and after in ("share", "key", "update", "no"):
            return True
    return False


@dataclass
class Statement:
    """One `-- name:` or `-- fragment:` with its text per dialect."""

    name: str
    path: str
    line: int
    is_fragment: bool = False
    sections: dict = field(default_factory=dict)  # dialect, or "both", to [tokens]

    def tokens(self, dialect):
        return self.sections.get("both") or self.sections[dialect]


def expanded(tokens, dialect, fragments, path, used, depth=0):
    """The tokens with each {name} replaced by the fragment of that name; names go into `used`."""
    if depth > FRAGMENT_DEPTH_MAX:
        raise SqlError(path, tokens[0].line, f"fragments stand in each other more than {FRAGMENT_DEPTH_MAX} deep")
    out, at = [], 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind != "other" or token.text != "{":
            out.append(token)
            at += 1
            continue
        piece = tokens[at:at + 3]
        if len(piece) < 3 or piece[1].kind != "word" or piece[2].text != "}":
            raise SqlError(path, token.line, "a { that is not the {name} of a fragment")
        name = piece[1].text
        if name not in fragments:
            raise SqlError(path, token.line, f"there is no fragment '{name}'")
        used.add(name)
        out += expanded(fragments[name].tokens(dialect), dialect, fragments, path, used, depth + 1)
        at += 3
    return out


def with_fragments(statement, fragments, used):
    """The statement with its fragments in place: a text for each dialect where they are not one."""
    sections = {dialect: expanded(statement.tokens(dialect), dialect, fragments, statement.path, used)
                for dialect in DIALECTS}
    texts = {collapse(tokens) for tokens in sections.values()}
    if len(texts) == 1:
        sections = {"both": sections[DIALECTS[0]]}
    return Statement(statement.name, statement.path, statement.line, sections=sections)


def directive_lines(text, path):
    """The lines of a file that are directives, by number: those that stand inside a literal or comment are not."""
    found = {}
    position, line = 0, 1
    while position < len(text):
        match = LEXEME.match(text, position)
        end = match.end()
        if match.lastgroup == "block":
            end = block_comment_end(text, position, path, line)
        piece = text[position:end]
        if match.lastgroup == "comment":
            directive = DIRECTIVE.match(piece)
            if directive and not text[:position].rpartition("\n")[2].strip():
                found[line] = directive
        line += piece.count("\n")
        position = end
    return found


def sections_of(lines, first_line, directives, path):
    """Splits lines at their `-- dialect:`; returns {dialect or "both": tokens}."""
    sections, current, start = {}, "both", first_line

    def close(end):
        tokens = tokens_of("\n".join(lines[start - first_line:end - first_line]), path, start)
        blank = all(token.kind == "space" for token in tokens)
        if blank and current != "both":
            raise SqlError(path, start - 1, f"the section for {current} is empty")
        if not blank:
            sections[current] = tokens

    for at in range(first_line, first_line + len(lines)):
        if at not in directives:
            continue
        close(at)
        dialect = directives[at].group(2)
        if dialect not in DIALECTS:
            raise SqlError(path, at, f"dialect '{dialect}' is not one of {', '.join(DIALECTS)}")
        if "both" in sections:
            raise SqlError(path, at, "there is SQL before the first '-- dialect:'")
        if dialect in sections or dialect == current:
            raise SqlError(path, at, f"a second section for {dialect}")
        current, start = dialect, at + 1
    close(first_line + len(lines))
    missing = [dialect for dialect in DIALECTS if dialect not in sections]
    if sections and "both" not in sections and missing:
        raise SqlError(path, first_line, f"there is no section for {missing[0]}")
    return sections


def statements_of(path, shown):
    """The statements and fragments of one file."""
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    directives = directive_lines(text, shown)
    starts = [number for number, directive in directives.items() if directive.group(1) != "dialect"]
    head = "\n".join(lines[:starts[0] - 1] if starts else lines)
    for token in tokens_of(head, shown, 1):
        if token.kind != "space":
            raise SqlError(shown, token.line, "SQL before the first '-- name:'")
    for number, directive in directives.items():
        if directive.group(1) == "dialect" and (not starts or number < starts[0]):
            raise SqlError(shown, number, "'-- dialect:' before the first '-- name:'")
    statements = []
    for start, end in zip(starts, starts[1:] + [len(lines) + 1]):
        name = directives[start].group(2)
        if not NAME.match(name):
            raise SqlError(shown, start, f"'{name}' is not a snake_case name")
        if name in KEYWORDS:
            raise SqlError(shown, start, f"'{name}' cannot be the name of a C++ constant")
        statement = Statement(name, shown, start, directives[start].group(1) == "fragment")
        for dialect, tokens in sections_of(lines[start:end - 1], start + 1, directives, shown).items():
            statement.sections[dialect] = one_statement(tokens, shown)
        if not statement.sections:
            raise SqlError(shown, start, f"statement '{name}' is empty")
        statements.append(statement)
    return statements


def one_statement(tokens, path):
    """The tokens without a closing `;`; a second statement is an error."""
    for index, token in enumerate(tokens):
        if token.kind == "other" and token.text == ";":
            for rest in tokens[index + 1:]:
                if rest.kind != "space":
                    raise SqlError(path, rest.line, "a second statement under one '-- name:'")
            return tokens[:index]
    return tokens


def parameters_of(statement):
    """How many parameters the statement takes; the dialects must agree, and none may be left out."""
    counts = {}
    for dialect, tokens in statement.sections.items():
        used = {}
        for token in tokens:
            if token.kind == "parameter":
                used.setdefault(int(token.text[1:]), token.line)
        for number, line in used.items():
            if number == 0 or number > PARAMETERS_MAX:
                raise SqlError(statement.path, line,
                               f"parameter ${number} in '{statement.name}' is not in 1..{PARAMETERS_MAX}")
        highest = max(used, default=0)
        for number in range(1, highest + 1):
            if number not in used:
                raise SqlError(statement.path, used[highest],
                               f"'{statement.name}' uses ${highest} but not ${number}")
        for token in tokens:
            # PostgreSQL's jsonb has operators of that name.
            if token.kind == "other" and token.text == "?" and dialect != "postgres":
                raise SqlError(statement.path, token.line, "write parameters as $1, not ?")
        counts[dialect] = highest
    if len(set(counts.values())) > 1:
        raise SqlError(statement.path, statement.line,
                       f"'{statement.name}' takes {counts['sqlite']} parameters on sqlite and "
                       f"{counts['postgres']} on postgres")
    return next(iter(counts.values()))


def rendered(tokens, dialect):
    """The text as it is sent to the database."""
    if dialect == "sqlite":  # to SQLite, $1 is a parameter *named* 1, numbered by occurrence
        tokens = [Token(t.kind, "?" + t.text[1:], t.line) if t.kind == "parameter" else t for t in tokens]
    return collapse(tokens)


def literal(text):
    """A C++ string literal of the text; long ones one piece to a line."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    pieces, line = [], ""
    for word in re.split(r"(?<= )", text):
        if line and len(line) + len(word) > 88:
            pieces.append(line)
            line = ""
        line += word
    pieces.append(line)
    quoted = []
    for piece in pieces:
        body = "".join(escapes.get(c, c if c >= " " else f"\\{ord(c):03o}") for c in piece)
        quoted.append('"' + body + '"')
    return quoted[0] if len(quoted) == 1 else "\n        " + "\n        ".join(quoted)


def migrations_of(folder, root):
    """[(number, title, {dialect: text})] in order; numbers run from 1 without a gap."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        shown = str(path.relative_to(root))
        match = FILE.match(path.name)
        if not match:
            raise SqlError(shown, 1, "a migration is named NNNN_title.sql, in lower case")
        number, expected = int(match.group(1)), len(migrations) + 1
        if number != expected:
            raise SqlError(shown, 1, f"migration {number:04} where {expected:04} is expected: numbers have no gap")
        text = path.read_text(encoding="utf-8")
        directives = directive_lines(text, shown)
        for line, directive in directives.items():
            if directive.group(1) != "dialect":
                raise SqlError(shown, line, f"'-- {directive.group(1)}:' in a migration: its file name is its name")
        sections = sections_of(text.split("\n"), 1, directives, shown)
        if not sections:
            raise SqlError(shown, 1, "the migration is empty")
        texts = {}
        for dialect in DIALECTS:
            tokens = sections.get("both") or sections[dialect]
            for token in tokens:
                if token.kind == "parameter":
                    raise SqlError(shown, token.line, "a migration takes no parameters")
            texts[dialect] = collapse(tokens)
        migrations.append((number, match.group(2).replace("_", " "), texts))
    return migrations


def constant(module, statement):
    """The lines of a statement's C++ constant."""
    # A write in one dialect is a write in both: SQLite has no `for update`.
    writes = any(is_write(tokens) for tokens in statement.sections.values())
    kind = "Command" if writes else "Query"
    lines = ["", f"inline constexpr loadstone::store::{kind} {statement.name}{{",
             f'    .name = "{module}.{statement.name}",']
    for dialect in DIALECTS:
        lines.append(f"    .{dialect} = {literal(rendered(statement.tokens(dialect), dialect))},")
    return lines + [f"    .parameters = {parameters_of(statement)}}};"]


def header(root, folder):
    """The text of sql.h for root/folder."""
    module = pathlib.PurePosixPath(folder).name
    namespace = "::".join(pathlib.PurePosixPath(folder).parts) + "::sql"
    seen = {}
    out = [f"// Generated from {folder}/sql by tools/sqlgen.", "#pragma once", "",
           '#include "loadstone/store/statement.h"', "", f"namespace {namespace} {{"]
    everything = []
    for path in sorted((root / folder / "sql").glob("*.sql")):
        shown = str(path.relative_to(root))
        statements = statements_of(path, shown)
        if not statements:
            raise SqlError(shown, 1, "no '-- name:' in this file")
        everything += statements
    for statement in everything:
        if statement.name in seen:
            raise SqlError(statement.path, statement.line,
                           f"'{statement.name}' is already defined at {seen[statement.name]}")
        seen[statement.name] = f"{statement.path}:{statement.line}"
    fragments = {each.name: each for each in everything if each.is_fragment}
    used = set()
    for statement in everything:
        whole = with_fragments(statement, fragments, used)
        if not statement.is_fragment:
            out += constant(module, whole)
    for fragment in fragments.values():
        if fragment.name not in used:
            raise SqlError(fragment.path, fragment.line, f"no statement uses the fragment '{fragment.name}'")
    migrations = migrations_of(root / folder / "sql" / "migrations", root)
    if migrations:
        out += ["", "inline constexpr loadstone::store::Migration migrations[] = {"]
        for number, title, texts in migrations:
            out += [f"    {{.number = {number},", f"     .title = {literal(title)},"]
            out += [f"     .{dialect} = {literal(texts[dialect])}{',' if dialect == 'sqlite' else '},'}"
                    for dialect in DIALECTS]
        out.append("};")
    out += ["", f"}}  // namespace {namespace}", ""]
    return "\n".join(out)


def write_if_changed(path, text):
    """Leaves the file, and its time, alone if it already holds the text."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def main(arguments):
    parser = argparse.ArgumentParser(description="generate sql.h from the .sql files of a folder")
    parser.add_argument("--root", type=pathlib.Path, required=True, help="the top of the project")
    parser.add_argument("--folder", required=True, help="the folder that holds sql/, relative to the top")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the header to write")
    options = parser.parse_args(arguments)
    try:
        write_if_changed(options.out, header(options.root, options.folder))
    except SqlError as error:
        print(error, file=sys.stderr)
        return 1
    except UnicodeDecodeError as error:
        print(f"{options.folder}/sql:1: not UTF-8: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
