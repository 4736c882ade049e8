"""The C++ of a folder's questions: facts_sql.h and facts_sql.cc, and facts_sql.json for tests."""

import json
import pathlib

import emit
from emit_source import described, foreign_checks
from facts import DIALECTS

GENERATED = "// Generated from {}/sql/facts by tools/sqlgen."


class Structs(emit.Structs):
    def name_of(self, function):
        """A row is always a struct, since described ones are filled; a file has none."""
        if function.signature.cardinality == "export":
            return ""
        return function.signature.row or emit.camel(function.name) + "Row"


def namespace_of(folder):
    return "::".join(pathlib.PurePosixPath(folder.path).parts) + "::facts_sql"


def result(structs, function):
    row, space = structs.row(function), "loadstone::analytics"
    return {"one": f"{space}::Single<{row}>", "maybe": f"{space}::Single<std::optional<{row}>>", "many": f"{space}::Answer<{row}>",
            "stream": "loadstone::Timestamp", "export": f"{space}::ExportedFile"}[function.signature.cardinality]


def arguments(structs, function):
    found = ["loadstone::runtime::Context& context"]
    if function.signature.cardinality == "stream":
        found.append(f"loadstone::FunctionRef<void(const {structs.row(function)}&)> sink")
    if function.signature.cardinality == "export":
        found.append("std::string file")
    for parameter in function.signature.parameters:
        kind = f"std::span<const {emit.element(function, parameter)}>" if parameter.is_array else parameter.type.taken()
        found.append(f"{kind} {parameter.name}")
    return found


def declaration(structs, function):
    return f"loadstone::Task<{result(structs, function)}> {function.name}(\n    " + ",\n    ".join(arguments(structs, function)) + ")"


def forward_declarations(folder, structs):
    found = {"loadstone::runtime": ["class Context;"]}
    if any(function.signature.cardinality == "export" for function in folder.functions):
        found["loadstone::analytics"] = ["class ExportedFile;"]
    return emit.forward_lines(folder, structs, found, namespace_of(folder).removesuffix("::facts_sql"))


def struct_lines(structs, function, defined):
    lines = []
    named = [emit.element(function, parameter) for parameter in function.signature.parameters if parameter.fields]
    for name in [structs.name_of(function), *named]:
        if name in structs.rows and name not in defined:
            defined.add(name)
            lines += emit.struct(name, structs.rows[name][0])
    return lines


def header(folder, structs):
    """The text of facts_sql.h."""
    out = [GENERATED.format(folder.path), "#pragma once", ""]
    out += [f"#include <{name}>" for name in ("cstdint", "optional", "span", "string", "string_view")] + [""]
    out += [f'#include "loadstone/{name}"' for name in
            ("analytics/answer.h", "base/function_ref.h", "base/id.h", "base/timestamp.h", "runtime/task.h")] + [""]
    out += [*forward_declarations(folder, structs), "", f"namespace {namespace_of(folder)} {{"]
    if folder.types.ids:
        out += [""] + [f"using {name} = loadstone::Id<{tag}>;" for name, tag in sorted(folder.types.ids.items())]
    out += ["", "// What the questions were checked against: Facts::asked() compares it with what the module declares.",
            f"extern const loadstone::analytics::AskedTable tables[{len(folder.schema.forms)}];"]
    defined = set()
    for function in folder.functions:
        out += [*struct_lines(structs, function, defined), "", declaration(structs, function) + ";"]
    return "\n".join(out + ["", f"}}  // namespace {namespace_of(folder)}", ""])


def constant(folder, function):
    sent = function.sent[0]
    out = ["", f"constexpr loadstone::analytics::Query {function.name}_text{{",
           f'    .name = "{emit.module_of(folder)}.{function.name}",', f"    .text = {emit.literal(sent.texts['duckdb'])},"]
    if sent.texts["clickhouse"] != sent.texts["duckdb"]:
        out.append(f"    .clickhouse = {emit.literal(sent.texts['clickhouse'])},")
    times = ",".join(name for name, kind in function.signature.columns if kind.name == "timestamp")
    if times and function.signature.cardinality == "export":
        out.append(f'    .clickhouse_times = "{times}",')
    return [*out[:-1], out[-1].removesuffix(",") + "};"]


def array_lines(parameter):
    """A local with the array as text."""
    lines = [f"    loadstone::analytics::NumberList {parameter.name}_list;"]
    if not parameter.fields:
        return lines + [f"    for (const auto each_ : {parameter.name}) {parameter.name}_list.add(each_);"]
    values = ", ".join(f"row_.{name}" for name, _ in parameter.fields)
    return lines + [f"    for (const auto& row_ : {parameter.name}) {parameter.name}_list.add({values});"]


def body(structs, function):
    parameters, cardinality = function.signature.parameters, function.signature.cardinality
    lines = [line for parameter in parameters if parameter.is_array for line in array_lines(parameter)]
    values = [f"{parameter.name}_list.text()" if parameter.is_array else parameter.name for parameter in parameters]
    call = {"one": "query_one", "maybe": "query_maybe", "many": "query", "stream": "query_each", "export": "export_rows"}[cardinality]
    row = "" if cardinality == "export" else f"<{structs.row(function)}>"
    first = {"stream": ["sink"], "export": ["std::move(file)"]}.get(cardinality, [])
    given = ", ".join(["context", f"{function.name}_text", *first, *values])
    lines.append(f"    co_return co_await loadstone::analytics::{call}{row}({given});")
    return ["", declaration(structs, function) + " {", *lines, "}"]


def member_checks(structs):
    """That the module's own structs have no member more than their statements give columns, and in their order."""
    lines = foreign_checks(structs)
    results = {structs.name_of(function) for function in structs.folder.functions}
    for name, (columns, _) in sorted(structs.foreign.items()):
        if name not in results:
            continue  # of a parameter
        names = ", ".join(f'"{column}"' for column, _ in columns)
        lines += ["", f"static_assert(loadstone::analytics::has_members<{name}>({{{names}}}),",
                  f'              "the members of {name} are not the columns that its statement gives");']
    return lines


def source(folder, structs):
    """The text of facts_sql.cc."""
    headers = {folder.types.rows[name] for name in structs.foreign}
    headers |= {f"loadstone/analytics/{name}.h" for name in ("export", "number_list", "query")}
    out = [GENERATED.format(folder.path), f'#include "{folder.path}/facts_sql.h"', "", "#include <type_traits>", "#include <utility>", ""]
    out += [f'#include "{name}"' for name in sorted(headers)]
    out += ["", f"namespace {namespace_of(folder)} {{", ""]
    out += [described(name, columns) for name, (columns, _) in structs.rows.items()]
    out += member_checks(structs)
    out += ["", "namespace {"]
    for function in folder.functions:
        out += constant(folder, function)
    out += ["", "}  // namespace", "",
            f"constinit const loadstone::analytics::AskedTable tables[{len(folder.schema.forms)}] = {{"]
    out += [f'    {{.name = "{name}", .columns = {emit.literal(form)}}},' for name, form in folder.schema.forms.items()]
    out.append("};")
    for function in folder.functions:
        out += body(structs, function)
    return "\n".join(out + ["", f"}}  // namespace {namespace_of(folder)}", ""])


def kind_of(kind):
    return {"kind": "timestamp" if kind.name == "timestamp" else kind.base, "is_nullable": kind.is_nullable}


def manifest(folder):
    """The text of facts_sql.json: the tables, and each statement with its parameters in order, for a test on ClickHouse."""
    statements = []
    for function in folder.functions:
        parameters = [{"name": each.name, "fields": [name for name, _ in each.fields], "is_array": each.is_array,
                       "kind": "text" if each.is_array else kind_of(each.type)["kind"]} for each in function.signature.parameters]
        columns = [{"name": name, **kind_of(kind)} for name, kind in function.signature.columns]
        statements.append({"name": function.name, "path": function.path, "line": function.line, "parameters": parameters,
                           "columns": columns, **{dialect: function.sent[0].texts[dialect] for dialect in DIALECTS}})
    return json.dumps({"folder": folder.path, "tables": folder.schema.forms, "statements": statements}, indent=1) + "\n"
