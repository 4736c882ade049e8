#!/usr/bin/env python3
"""Generates C++ from the .sql files of a folder, after preparing each statement on a scratch SQLite.

    sqlgen.py --root TOP --folder campus/accounts --out BUILD/gen/campus/accounts
    sqlgen.py --root TOP --folder campus/accounts --out BUILD/gen/campus/accounts --facts LIBDUCKDB

Reads TOP/campus/accounts/sql/*.sql and .../sql/migrations/NNNN_title.sql, and the migrations of the modules that its
module.cc names; README.md beside this file gives the format. Writes sql.h and sql.cc, sql_all.h and sql.json for tests,
and sql.d, which lists what was read. With --facts it reads TOP/campus/accounts/sql/facts/*.sql instead, prepares each statement
on a scratch DuckDB, and writes facts_sql.h, facts_sql.cc and facts_sql.json. The output depends on the inputs alone and is written only if it changes. Errors
read `file:line: what`, exit status 1.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import emit  # noqa: E402
import emit_facts  # noqa: E402
import emit_source  # noqa: E402
import emit_tests  # noqa: E402
import facts  # noqa: E402
from folder import Reader  # noqa: E402
from lexer import SqlError  # noqa: E402


def generated(root, folder):
    """{file name: text} and the files that were read."""
    read = Reader(root, folder).folder
    structs = emit.Structs(read)
    files = {"sql.h": emit.header(read, structs), "sql.cc": emit_source.source(read, structs),
             "sql_accesses.h": emit_source.accesses(read), "sql_all.h": emit_tests.listing(read, structs), "sql.json": emit_tests.manifest(read)}
    read.schema.scratch.close()
    return files, read.inputs


def generated_of_facts(root, folder, duckdb):
    """{file name: text} of the questions to the column store."""
    read = facts.Reader(root, folder, duckdb).folder
    structs = emit_facts.Structs(read)
    return {"facts_sql.h": emit_facts.header(read, structs), "facts_sql.cc": emit_facts.source(read, structs),
            "facts_sql.json": emit_facts.manifest(read)}


def write_if_changed(path, text):
    """Leaves the file, and its time, alone if it already holds the text."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def main(arguments):
    parser = argparse.ArgumentParser(description="generate C++ from the .sql files of a folder")
    parser.add_argument("--root", type=pathlib.Path, required=True, help="the top of the project")
    parser.add_argument("--folder", required=True, help="the folder that holds sql/, relative to the top")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the folder to write to")
    parser.add_argument("--facts", type=pathlib.Path, metavar="LIBDUCKDB", help="of sql/facts, checked by this library")
    options = parser.parse_args(arguments)
    try:
        if options.facts:
            files, inputs = generated_of_facts(options.root, options.folder, options.facts), []
        else:
            files, inputs = generated(options.root, options.folder)
    except SqlError as error:
        print(error, file=sys.stderr)
        return 1
    except UnicodeDecodeError as error:
        print(f"{options.folder}/sql:1: not UTF-8: {error}", file=sys.stderr)
        return 1
    for name, text in files.items():
        write_if_changed(options.out / name, text)
    if options.facts:
        return 0
    listed = " ".join(str(path).replace(" ", "\\ ") for path in dict.fromkeys(inputs))
    write_if_changed(options.out / "sql.d", f"{options.out / 'sql.h'}: {listed}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
