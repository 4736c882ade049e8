"""Reading C++ and the layer table: just enough of the language for the rules."""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Finding:
    """One thing wrong. `text` says what, and what to do instead."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


LEXEME = re.compile(r"""
    (?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))
  | (?P<raw>\b(?:u8|[uUL])?R"(?P<tag>[^()\s\\]{0,16})\(.*?\)(?P=tag)")
  | (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<number>\b\d[\w.']*)
  | (?P<character>'(?:[^'\\\n]|\\.)+')
""", re.VERBOSE | re.DOTALL)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    return LEXEME.sub(lambda m: blank(m.group()) if m.group("comment") else m.group(), text)


def code_of(text):
    """The text with comments blanked and literals emptied; every line and column stays where it is."""

    def replace(match):
        piece = match.group()
        if match.group("comment"):
            return blank(piece)
        if match.group("number"):
            return piece.replace("'", "_")
        return piece[0] + blank(piece[1:-1]) + piece[-1] if len(piece) > 1 else piece

    return LEXEME.sub(replace, text)


@dataclass
class Source:
    """A C++ file: its path below the top, with /, and its text in three forms."""

    path: str
    text: str
    code: str = ""
    includes: list = field(default_factory=list)  # (line, "<" or '"', header)

    def __post_init__(self):
        self.code = code_of(self.text)
        plain = without_comments(self.text)
        self.includes = [(self.line_of(plain, match.start(2)), match.group(1), match.group(2))
                         for match in INCLUDE.finditer(plain)]

    @staticmethod
    def line_of(text, offset):
        return text.count("\n", 0, offset) + 1

    def line(self, offset):
        return self.line_of(self.code, offset)

    @property
    def is_header(self):
        return self.path.endswith(".h")

    @property
    def is_test(self):
        """Whether it is built for tests alone; testing.h is what the tests of one library share."""
        return self.path.startswith("tests/") or re.search(r"(_(test|bench|fuzz)\.cc|/testing\.h)$", self.path) is not None

    @property
    def library(self):
        """The framework library that the file belongs to, or None."""
        parts = self.path.split("/")
        return parts[1] if parts[0] == "loadstone" and len(parts) > 2 else None

    @property
    def module(self):
        """The module of Campus that the file belongs to, or None."""
        parts = self.path.split("/")
        return parts[1] if parts[0] == "campus" and len(parts) > 2 else None


LAYER = re.compile(r"^loadstone_layer\(\s*(\w+)\s+(\d+)(.*?)\)", re.MULTILINE | re.DOTALL)


def read_layers(text):
    """{library: (layer, all libraries it may include)} from cmake/layers.cmake, lowest first."""
    text = re.sub(r"#[^\n]*", "", text)
    layers = {}
    for match in LAYER.finditer(text):
        name, layer, rest = match.group(1), int(match.group(2)), match.group(3).split()
        uses = set()
        if "USES" in rest:
            for word in rest[rest.index("USES") + 1:]:
                if word in ("EXTERNAL", "PRIVATE"):
                    break
                uses |= {word} | layers[word][1]
        layers[name] = (layer, uses)
    return layers
