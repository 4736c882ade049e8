"""sql.cc of a folder: the texts that are sent, the bodies of the functions, the migrations."""

from emit import GENERATED, PLACE, camel, constant, declaration, literal, module_of, namespace_of, Structs
from statements import DIALECTS


def text_name(sent):
    return f"{sent.name}_text"


def array_lines(parameter):
    """A local with the array as JSON."""
    if not parameter.fields:
        return [f"    const std::string {parameter.name}_json = loadstone::store::json_array({parameter.name});"]
    lines = [f"    loadstone::store::JsonArray {parameter.name}_array;", f"    for (const auto& row_ : {parameter.name}) {{",
             f"        {parameter.name}_array.begin_row();"]
    lines += [f"        {parameter.name}_array.add(row_.{name});" for name, _ in parameter.fields]
    return lines + [f"        {parameter.name}_array.end_row();", "    }",
                    f"    const std::string {parameter.name}_json = {parameter.name}_array.text();"]


def call(structs, function, sent, values):
    """The statement's run, as an expression."""
    source = "tx" if function.writes else "reader"
    cardinality = function.signature.cardinality
    small = ", true" if cardinality == "page" else ""  # page_rows() bounds it
    located = f"{{{text_name(sent)}, {PLACE}{small}}}"
    if cardinality == "exec":
        return f"{source}.exec({', '.join([located, *values])})"
    if cardinality == "stream":
        values = ["sink", *values]
    method = {"stream": "each", "page": "many"}.get(cardinality, cardinality)
    return f"{source}.{method}<{structs.row(function)}>({', '.join([located, *values])})"


def page_lines(structs, function, values):
    name, keys = camel(function.name), [key for key, _ in function.signature.order]
    first, behind = function.sent
    after = [f"after->{key}" for key in keys]
    place = ", ".join(f"last_.{key}" for key in keys)
    return [f"    const std::int64_t rows_ = loadstone::store::page_rows({text_name(first)}.name, limit);",
            f"    {name}Page page_;",
            "    if (after) {",
            f"        page_.rows = co_await {call(structs, function, behind, [*values, *after, 'rows_'])};",
            "    } else {",
            f"        page_.rows = co_await {call(structs, function, first, [*values, 'rows_'])};",
            "    }",
            "    if (loadstone::store::cut_page(page_.rows, limit)) {",
            f"        const {structs.row(function)}& last_ = page_.rows.back();",
            f"        page_.next = {name}Cursor{{{place}}};",
            "    }",
            "    co_return page_;"]


def body(structs, function):
    parameters = function.signature.parameters
    arrays = [parameter for parameter in parameters if parameter.is_array]
    values = [parameter.name + "_json" if parameter.is_array else parameter.name for parameter in parameters]
    lines = [line for parameter in arrays for line in array_lines(parameter)]
    if function.signature.cardinality == "page":
        lines += page_lines(structs, function, values)
    elif arrays:
        lines.append(f"    co_return co_await {call(structs, function, function.sent[0], values)};")
    else:
        # No coroutine of its own: what it is given is bound before it returns.
        lines.append(f"    return {call(structs, function, function.sent[0], values)};")
    return ["", declaration(structs, function, False) + " {", *lines, "}"]


def described(name, columns):
    return f"BOOST_DESCRIBE_STRUCT({name}, (), ({', '.join(column for column, _ in columns)}))"


def foreign_checks(structs):
    """That the module's own structs have the members that their statements give."""
    lines = []
    for name, (columns, _) in sorted(structs.foreign.items()):
        lines.append("")
        for column, kind in columns:
            lines += [f"static_assert(std::is_same_v<decltype({name}::{column}), {kind.returned()}>,",
                      f'              "{name}::{column} is not the {kind} that its statement gives");']
    return lines


def source(folder, structs=None):
    """The text of sql.cc."""
    structs = structs or Structs(folder)
    headers = {folder.types.rows[name] for name in structs.foreign}
    if folder.functions:
        headers |= {"loadstone/base/describe.h", "loadstone/store/tx.h", "loadstone/store/typed.h"}
    out = [GENERATED.format(folder.path), f'#include "{folder.path}/sql.h"', "", "#include <type_traits>", ""]
    out += [f'#include "{name}"' for name in sorted(headers)]
    out += ["", f"namespace {namespace_of(folder)} {{"]
    if structs.rows:
        out += [""] + [described(name, columns) for name, (columns, _) in structs.rows.items()]
    out += foreign_checks(structs)
    if folder.functions:
        out += ["", "namespace {"]
        for function in folder.functions:
            for sent in function.sent:
                out += constant(module_of(folder), sent, text_name(sent), "constexpr")
        out += ["", "}  // namespace"]
    for function in folder.functions:
        out += body(structs, function)
    if folder.migrations:
        out += ["", f"constinit const loadstone::store::Migration migrations[{len(folder.migrations)}] = {{"]
        for migration in folder.migrations:
            out += [f"    {{.number = {migration.number},", f"     .title = {literal(migration.title)},"]
            out += [f"     .{dialect} = {literal(migration.texts[dialect])}{',' if dialect == 'sqlite' else '},'}"
                    for dialect in DIALECTS]
        out.append("};")
    return "\n".join(out + ["", f"}}  // namespace {namespace_of(folder)}", ""])


def accesses(folder):
    """The text of sql_accesses.h: what each statement reads and writes, for caches."""
    sent = [each for _, each in folder.untyped] + [each for function in folder.functions for each in function.sent]
    module, lines = module_of(folder), []
    for each in sent:
        for access in each.accesses:
            column = f', "{access.column}", {access.parameter}, {str(access.is_array).lower()}' if access.column else ""
            writes = (", " if column else ", {}, 0, false, ") + "true" if access.writes else ""
            lines.append(f'    {{"{module}.{each.name}", "{access.table}"{column}{writes}}},')
    start = [GENERATED.format(folder.path), "#pragma once", "", '#include <array>', "", '#include "loadstone/store/accesses.h"', "",
             f"namespace {namespace_of(folder)} {{", ""]
    array = f"inline constexpr std::array<loadstone::store::Access, {len(lines)}> accesses{{{{"
    return "\n".join([*start, array, *lines, "}};", "", f"}}  // namespace {namespace_of(folder)}", ""])
