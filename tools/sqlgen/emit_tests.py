"""What tests read of a folder: sql_all.h, which lists its functions, and sql.json, its texts for PostgreSQL."""

import json

from emit import GENERATED, PLACE, namespace_of
from emit_source import described
from folder import parameter_bases


def listing(folder, structs):
    """The text of sql_all.h: its row structs described, and a template that gives each function and its parameters' names
    to `visit`."""
    out = [GENERATED.format(folder.path), "#pragma once", "", "#include <string_view>", "#include <vector>", "",
           f'#include "{folder.path}/sql.h"', '#include "loadstone/base/describe.h"', "",
           f"namespace {namespace_of(folder)} {{", "",
           *[described(name, columns) for name, (columns, _) in structs.rows.items()],
           "template <class Visit>", "void each_function([[maybe_unused]] Visit&& visit) {",
           "    [[maybe_unused]] std::vector<std::string_view> names;"]
    for function in folder.functions:
        listed = [*(parameter.name for parameter in function.signature.parameters), PLACE]
        names = ", ".join(f'"{name}"' for name in listed)
        out += [f"    names = {{{names}}};", f'    visit("{function.name}", {function.name}, names);']
    return "\n".join(out + ["}", "", f"}}  // namespace {namespace_of(folder)}", ""])


def manifest(folder):
    """The text of sql.json."""
    statements = [{"name": sent.name, "path": statement.path, "line": statement.line, "text": sent.texts["postgres"],
                   "parameters": None, "columns": None} for statement, sent in folder.untyped]
    for function in folder.functions:
        columns = [{"name": name, "base": kind.base, "is_nullable": kind.is_nullable}
                   for name, kind in function.signature.columns]
        for sent in function.sent:
            statements.append({"name": sent.name, "path": function.path, "line": function.line, "text": sent.texts["postgres"],
                               "parameters": parameter_bases(function, sent), "columns": columns})
    migrations = [{"path": migration.path, "text": migration.texts["postgres"]}
                  for steps in folder.schema.migrations.values() for migration in steps]
    return json.dumps({"folder": folder.path, "migrations": migrations, "statements": statements}, indent=1) + "\n"
