"""SQL as tokens: what hides a parameter, a comment or a keyword, in both dialects."""

import re
from dataclasses import dataclass


class SqlError(Exception):
    """What is wrong, with the file and line where."""

    def __init__(self, path, line, text):
        super().__init__(f"{path}:{line}: {text}")


@dataclass
class Token:
    """A piece of SQL. `kind`: space, word, parameter ($1), named ($name), quoted
    (literals and quoted names), other."""

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
  | (?P<named>\$[A-Za-z_][A-Za-z0-9_]*)
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
