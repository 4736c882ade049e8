"""The C++ of a folder: sql.h, light, and sql.cc, with the texts and bodies."""

import pathlib
import re

from lexer import SqlError
from statements import DIALECTS

PLACE = "called_from"  # where a function is called: statistics name it
GENERATED = "// Generated from {}/sql by tools/sqlgen."


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


def camel(name):
    return "".join(word.capitalize() for word in name.split("_"))


def module_of(folder):
    return pathlib.PurePosixPath(folder.path).name


def namespace_of(folder):
    return "::".join(pathlib.PurePosixPath(folder.path).parts) + "::sql"


def constant(module, sent, name, prefix="inline constexpr"):
    """The lines of a statement's constant."""
    kind = "Command" if sent.writes else "Query"
    lines = ["", f"{prefix} loadstone::store::{kind} {name}{{", f'    .name = "{module}.{sent.name}",']
    for dialect in DIALECTS:
        lines.append(f"    .{dialect} = {literal(sent.texts[dialect])},")
    return lines + [f"    .parameters = {sent.parameters}}};"]


class Structs:
    """The row structs of a folder: one for all statements that give the same name, and the same columns, to theirs."""

    def __init__(self, folder):
        self.folder = folder
        self.rows = {}  # name to (columns, function)
        self.foreign = {}  # name to columns, of structs that stand in a header of the module
        for function in folder.functions:
            for parameter in function.signature.parameters:
                if parameter.fields:
                    self.add(element(function, parameter), parameter.fields, function)
            if self.name_of(function):
                self.add(self.name_of(function), function.signature.columns, function)

    def add(self, name, columns, function):
        known = self.foreign if name in self.folder.types.rows else self.rows
        before, first = known.setdefault(name, (columns, function))
        if before != columns:
            raise SqlError(function.path, function.line, f"row '{name}' has other columns at {first.path}:{first.line}: "
                           + ", ".join(f"{column} {kind}" for column, kind in before))

    def name_of(self, function):
        """Empty for a single column without a name for its row: it is a plain value."""
        signature = function.signature
        if signature.cardinality == "exec":
            return ""
        if signature.row:
            return signature.row
        if len(signature.columns) == 1 and signature.cardinality != "page":
            return ""
        return camel(function.name) + "Row"

    def row(self, function):
        """The C++ type of one row."""
        return self.name_of(function) or function.signature.columns[0][1].returned()


def struct(name, members):
    lines = ["", f"struct {name} {{"]
    for member, kind in members:
        plain = kind.returned() in ("std::int64_t", "double", "bool")
        start = {"bool": " = false"}.get(kind.returned(), " = 0") if plain else ""
        lines.append(f"    {kind.returned()} {member}{start};")
    return lines + [f"    friend bool operator==(const {name}&, const {name}&) = default;", "};"]


def element(function, parameter):
    """The C++ type of an array's element."""
    if parameter.fields:
        return parameter.row or camel(function.name) + camel(parameter.name)
    return parameter.type.cpp(0)


def result(structs, function):
    name, row = function.signature.cardinality, ""
    if name == "page":
        return camel(function.name) + "Page"
    if name in ("exec", "stream"):
        return "std::uint64_t"
    row = structs.row(function)
    return {"one": row, "maybe": f"std::optional<{row}>", "many": f"std::vector<{row}>"}[name]


def arguments(structs, function, is_declaration):
    signature = function.signature
    found = ["loadstone::store::Tx& tx" if function.writes else "loadstone::store::Reader reader"]
    if signature.cardinality == "stream":
        found.append(f"loadstone::FunctionRef<void(const {structs.row(function)}&)> sink")
    for parameter in signature.parameters:
        kind = f"std::span<const {element(function, parameter)}>" if parameter.is_array else parameter.type.taken()
        found.append(f"{kind} {parameter.name}")
    if signature.cardinality == "page":
        start = " = std::nullopt" if is_declaration else ""
        found += ["std::int64_t limit", f"std::optional<{camel(function.name)}Cursor> after{start}"]
    start = " = std::source_location::current()" if is_declaration else ""
    return found + [f"std::source_location {PLACE}{start}"]


def declaration(structs, function, is_declaration=True):
    """In lines of 100 characters where that can be."""
    start = f"loadstone::Task<{result(structs, function)}> {function.name}("
    listed = arguments(structs, function, is_declaration)
    if len(start) + len(", ".join(listed)) < 98:
        return start + ", ".join(listed) + ")"
    lines, line = [start], "   "
    for at, argument in enumerate(listed):
        piece = argument + (", " if at + 1 < len(listed) else ")")
        if len(line) + len(piece) > 98 and line.strip():
            lines.append(line.rstrip())
            line = "   "
        line += " " + piece.rstrip()
    return "\n".join([*lines, line])


def includes(folder):
    """What the header needs, and no more."""
    functions = folder.functions
    text = [kind for function in functions for _, kind in function.signature.columns]
    parameters = [parameter for function in functions for parameter in function.signature.parameters]
    kinds = text + [p.type for p in parameters if p.type] + [kind for p in parameters for _, kind in p.fields]
    found = []
    if functions:
        found += ["cstdint", "optional", "source_location", "string", "string_view", "vector"]
    if any(kind.base == "bytes" for kind in kinds):
        found += ["cstddef"]
    if any(p.is_array or p.type.base == "bytes" for p in parameters):
        found += ["span"]
    own = []
    if folder.types.ids:
        own.append("base/id.h")
    if any(kind.name == "timestamp" for kind in kinds):
        own.append("base/timestamp.h")
    if any(function.signature.cardinality == "stream" for function in functions):
        own.append("base/function_ref.h")
    if functions:
        own.append("runtime/task.h")
    if folder.untyped or folder.migrations:
        own.append("store/statement.h")
    return sorted(found), sorted(own)


def forward_declarations(folder, structs):
    """Of Reader and Tx, of the tags of ids, of the module's own row structs."""
    found = {"loadstone::store": ["class Reader;", "class Tx;"]} if folder.functions else {}
    return forward_lines(folder, structs, found, namespace_of(folder).removesuffix("::sql"))


def forward_lines(folder, structs, found, module):
    """Of {namespace: [declaration]}, the tags of ids, and the row structs of the namespace `module`."""
    for _, tag in sorted(folder.types.ids.items()):
        space, _, name = tag.rpartition("::")
        found.setdefault(space, []).append(f"struct {name};")
    for name in sorted(structs.foreign):
        found.setdefault(module, []).append(f"struct {name};")
    lines = []
    for space, names in sorted(found.items()):
        lines += [f"namespace {space} {{", *names, f"}}  // namespace {space}"]
    return lines


def function_lines(structs, function, defined):
    """What the header says of one function: its structs and declaration."""
    lines = []
    names = [element(function, parameter) for parameter in function.signature.parameters if parameter.fields]
    for name in [structs.name_of(function), *names]:
        if name in structs.rows and name not in defined:
            defined.add(name)
            lines += struct(name, structs.rows[name][0])
    if function.signature.cardinality == "page":
        known = dict(function.signature.columns)
        lines += struct(f"{camel(function.name)}Cursor", [(key, known[key]) for key, _ in function.signature.order])
        lines += ["", f"struct {camel(function.name)}Page {{", f"    std::vector<{structs.row(function)}> rows;",
                  f"    std::optional<{camel(function.name)}Cursor> next;  // nothing: this is the last page", "};"]
    return lines + [declaration(structs, function) + ";"]


def header(folder, structs=None):
    """The text of sql.h."""
    structs = structs or Structs(folder)
    standard, own = includes(folder)
    out = [GENERATED.format(folder.path), "#pragma once", ""]
    if standard:
        out += [f"#include <{name}>" for name in standard] + [""]
    out += [f'#include "loadstone/{name}"' for name in own] + [""]
    forward = forward_declarations(folder, structs)
    if forward:
        out += forward + [""]
    out.append(f"namespace {namespace_of(folder)} {{")
    if folder.types.ids:
        out += [""] + [f"using {name} = loadstone::Id<{tag}>;" for name, tag in sorted(folder.types.ids.items())]
    defined = set()
    if folder.functions:
        out.append("")
    for function in folder.functions:
        out += function_lines(structs, function, defined)
    for _, sent in folder.untyped:
        out += constant(module_of(folder), sent, sent.name)
    if folder.migrations:
        out += ["", f"extern const loadstone::store::Migration migrations[{len(folder.migrations)}];"]
    return "\n".join(out + ["", f"}}  // namespace {namespace_of(folder)}", ""])
