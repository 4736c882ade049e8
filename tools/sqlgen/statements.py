"""A folder's .sql files: named statements and fragments, per dialect, and migrations."""

import re
from dataclasses import dataclass, field, replace

from lexer import LEXEME, SqlError, Token, block_comment_end, collapse, tokens_of

DIALECTS = ("sqlite", "postgres")
NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql\Z")
DIRECTIVE = re.compile(r"\s*--\s*(name|fragment|dialect|column|row|id|type)\s*:(?!:)\s*(.*?)\s*\Z")
HEAD = ("id", "type", "row")  # of the folder, before its first statement
STATED = ("column",)  # of a statement
VERBS = ("select", "insert", "update", "delete", "replace", "with", "values")
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


@dataclass
class Statement:
    """One `-- name:` or `-- fragment:` with its text per dialect."""

    name: str
    path: str
    line: int
    is_fragment: bool = False
    typed: str = ""  # what follows the name in its line; signature.py reads it
    stated: list = field(default_factory=list)  # [(text, line)] of its `-- column:` lines
    sections: dict = field(default_factory=dict)  # dialect, or "both", to [tokens]

    def tokens(self, dialect):
        return self.sections.get("both") or self.sections[dialect]


def expanded(tokens, dialect, fragments, path, used, depth=0):
    """The tokens with each {name} replaced by the fragment of that name; names go into `used`.

    {word name} is left: notation.py reads it. What a fragment brings has the line where it is used.
    """
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
        if len(piece) == 3 and piece[1].kind == "word" and piece[2].kind == "space":
            out.append(token)
            at += 1
            continue
        if len(piece) < 3 or piece[1].kind != "word" or piece[2].text != "}":
            raise SqlError(path, token.line, "a { that is not the {name} of a fragment")
        name = piece[1].text
        if name not in fragments:
            raise SqlError(path, token.line, f"there is no fragment '{name}'")
        used.add(name)
        inner = expanded(fragments[name].tokens(dialect), dialect, fragments, fragments[name].path, used, depth + 1)
        out += [Token(each.kind, each.text, token.line) for each in inner]
        at += 3
    return out


def with_fragments(statement, fragments, used, dialects=DIALECTS):
    """The statement with its fragments in place: a text for each dialect where they are not one."""
    sections = {dialect: expanded(statement.tokens(dialect), dialect, fragments, statement.path, used)
                for dialect in dialects}
    texts = {collapse(tokens) for tokens in sections.values()}
    if len(texts) == 1:
        sections = {"both": sections[dialects[0]]}
    return replace(statement, sections=sections)


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


def sections_of(lines, first_line, directives, path, dialects=DIALECTS):
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
        if at not in directives or directives[at].group(1) in STATED:
            continue
        close(at)
        dialect = directives[at].group(2)
        if dialect not in dialects:
            raise SqlError(path, at, f"dialect '{dialect}' is not one of {', '.join(dialects)}")
        if "both" in sections:
            raise SqlError(path, at, "there is SQL before the first '-- dialect:'")
        if dialect in sections or dialect == current:
            raise SqlError(path, at, f"a second section for {dialect}")
        current, start = dialect, at + 1
    close(first_line + len(lines))
    missing = [dialect for dialect in dialects if dialect not in sections]
    if sections and "both" not in sections and missing:
        raise SqlError(path, first_line, f"there is no section for {missing[0]}")
    return sections


def header_line(lines, number, text, path):
    """The text of a `-- name:` line with the comment lines that continue it while a parenthesis is open."""
    line = number
    while text.count("(") > text.count(")"):
        line += 1
        if line > len(lines) or not lines[line - 1].strip().startswith("--"):
            raise SqlError(path, number, "a ( of the line of the name is never closed")
        text += " " + lines[line - 1].strip()[2:].strip()
    return text


def head_of(lines, directives, starts, path, add):
    """Checks that what stands before the first statement is nothing but `-- id:` and the like, and gives it to `add`."""
    end = starts[0] if starts else len(lines) + 1
    for token in tokens_of("\n".join(lines[:end - 1]), path, 1):
        if token.kind != "space":
            raise SqlError(path, token.line, "SQL before the first '-- name:'")
    for number, directive in directives.items():
        kind = directive.group(1)
        if kind in HEAD and number > end:
            raise SqlError(path, number, f"'-- {kind}:' behind the first '-- name:': it is of the whole folder")
        if kind in (*STATED, "dialect") and number < end:
            raise SqlError(path, number, f"'-- {kind}:' before the first '-- name:'")
        if kind in HEAD:
            add(kind, directive.group(2), path, number)


def statements_of(path, shown, add=lambda *_: None, dialects=DIALECTS):
    """The statements and fragments of one file; `add` takes what the file says of the whole folder."""
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    directives = directive_lines(text, shown)
    starts = [number for number, directive in directives.items() if directive.group(1) in ("name", "fragment")]
    head_of(lines, directives, starts, shown, add)
    statements = []
    for start, end in zip(starts, starts[1:] + [len(lines) + 1]):
        kind = directives[start].group(1)
        name, _, typed = header_line(lines, start, directives[start].group(2), shown).partition(" ")
        if not NAME.match(name) or (typed and kind == "fragment"):
            raise SqlError(shown, start, f"'{directives[start].group(2)}' is not a snake_case name")
        if name in KEYWORDS:
            raise SqlError(shown, start, f"'{name}' cannot be the name of a C++ constant")
        statement = Statement(name, shown, start, kind == "fragment", typed.strip())
        statement.stated = [(directives[at].group(2), at) for at in range(start, end)
                            if at in directives and directives[at].group(1) in STATED]
        if statement.stated and not statement.typed:
            raise SqlError(shown, statement.stated[0][1], f"'-- column:' of '{name}', which is not typed")
        for dialect, tokens in sections_of(lines[start:end - 1], start + 1, directives, shown, dialects).items():
            statement.sections[dialect] = one_statement(tokens, shown)
            if statement.typed:
                check_verb(statement.sections[dialect], name, shown)
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


def check_verb(tokens, name, path):
    """What changes the schema, the session or the transaction is no typed statement."""
    first = next((token for token in tokens if token.kind != "space"), None)
    if first is not None and first.kind == "word" and first.text.lower() not in VERBS:
        raise SqlError(path, first.line, f"'{name}' begins with {first.text}: it must read or write rows "
                                         f"({', '.join(VERBS)}); tables are changed by migrations")


@dataclass
class Migration:
    number: int
    title: str
    path: str
    texts: dict  # dialect to text
    tokens: dict


def migrations_of(folder, root):
    """The Migrations in order; numbers run from 1 without a gap."""
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
        tokens = {dialect: sections.get("both") or sections[dialect] for dialect in DIALECTS}
        for token in (token for dialect in DIALECTS for token in tokens[dialect]):
            if token.kind == "parameter":
                raise SqlError(shown, token.line, "a migration takes no parameters")
        texts = {dialect: collapse(tokens[dialect]) for dialect in DIALECTS}
        migrations.append(Migration(number, match.group(2).replace("_", " "), shown, texts, tokens))
    return migrations
