"""Every question of the build, asked of a ClickHouse: it gives the columns that were generated, of a type that they can be."""

import json
import os
import pathlib
import re
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["LOADSTONE_BUILD_DIR"])
DUCKDB = os.environ.get("LOADSTONE_DUCKDB_LIBRARY", BUILD.parent / ".duckdb/lib/libduckdb.so")
sys.path[:0] = [str(SOURCE / "tests" / "process"), str(SOURCE / "tools" / "sqlgen")]

import sqlgen  # noqa: E402
from harness.clickhouse import ClickHouse  # noqa: E402

# As loadstone/analytics/clickhouse/tables.cc makes them, but for rollups, which are views there.
TYPES = {"b": "UInt8", "i": "Int64", "r": "Float64", "t": "String", "m": "Int64"}
GIVEN = {"int": r"U?Int\d+", "timestamp": r"U?Int\d+", "bool": "UInt8", "real": r"Float\d+", "text": "String"}
VALUES = {"int": "1", "timestamp": "1", "bool": "1", "real": "1.5"}


def value(parameter):
    if parameter["is_array"]:
        return "'1:2'" if parameter["fields"] else "'1,2'"
    return VALUES.get(parameter["kind"], "'a'")


def declared(columns):
    parts = [column.split(":") for column in columns.split()]
    return ", ".join(f'"{name}" ' + (f"Nullable({TYPES[kind[0]]})" if kind.endswith("?") else TYPES[kind]) for name, kind in parts)


def problems(server, manifest):
    """What is wrong with the questions of a folder, as `file:line: what`."""
    for table, columns in manifest["tables"].items():
        server.run(f'create table "{table}" ({declared(columns)}) engine = Memory')
    found = []
    for statement in manifest["statements"]:
        where = f"{statement['path']}:{statement['line']}: ClickHouse: "
        values = [value(parameter) for parameter in statement["parameters"]]
        text = re.sub(r"\$(\d+)", lambda match: values[int(match.group(1)) - 1], statement["clickhouse"])
        try:
            answer = server.run(text + " format TabSeparatedWithNamesAndTypes")
        except AssertionError as refused:
            found.append(where + str(refused).strip())
            continue
        names, types = [line.split("\t") for line in answer.split("\n")[:2]]
        columns = statement["columns"]
        if names != [column["name"] for column in columns]:
            found.append(f"{where}the columns are {', '.join(names)}")
        for name, kind, column in zip(names, types, columns):
            if not re.fullmatch(rf"(Nullable\()?{GIVEN[column['kind']]}\)?", kind):
                found.append(f"{where}'{name}' is {kind} where {column['kind']} was generated")
            if kind.startswith("Nullable") and not column["is_nullable"]:
                found.append(f"{where}'{name}' may be null where {column['kind']} was generated")
    for table in manifest["tables"]:
        server.run(f'drop table "{table}"')
    return found


class ClickHouseStatements(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.server = ClickHouse(pathlib.Path(cls.temporary.name) / "clickhouse")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.temporary.cleanup()

    def problems_of(self, statement):
        """Of a module whose table of facts is t."""
        with tempfile.TemporaryDirectory() as folder:
            sql = pathlib.Path(folder) / "a" / "sql" / "facts"
            sql.mkdir(parents=True)
            (sql / "tables.sql").write_text("create table t (at_time timestamp not null, name text not null, size bigint);")
            (sql / "a.sql").write_text(statement)
            files = sqlgen.generated_of_facts(pathlib.Path(folder), "a", DUCKDB)
            return problems(self.server, json.loads(files["facts_sql.json"]))

    def test_all_of_the_build(self):
        checked = 0
        for path in sorted(BUILD.glob("gen/**/facts_sql.json")) + sorted(BUILD.glob("examples/*/gen/**/facts_sql.json")):
            manifest = json.loads(path.read_text(encoding="utf-8"))
            top = SOURCE / str(path.relative_to(BUILD)).partition("gen/")[0]
            if not (top / manifest["folder"] / "sql" / "facts").is_dir():
                continue  # of a module that is gone
            with self.subTest(folder=manifest["folder"]):
                self.assertEqual(problems(self.server, manifest), [])
            checked += len(manifest["statements"])
        self.assertGreater(checked, 10, "the build has generated few")

    def test_what_agrees_is_not_told(self):
        self.assertEqual(self.problems_of("-- name: x :many (a timestamp, ids int[])\n"
                                          "select at_time, name, size from t where at_time > $a and size {in ids}"), [])

    def test_what_clickhouse_has_not_is_told(self):
        (problem,) = self.problems_of("-- name: x :many ()\n-- column: n int\nselect count(*) filter (where size > 1) as n from t")
        self.assertIn("a/sql/facts/a.sql:1: ClickHouse: Code: ", problem)

    def test_another_type_is_told(self):
        text = "-- name: x :many ()\n-- dialect: duckdb\nselect name from t\n-- dialect: clickhouse\nselect {} as name from t"
        self.assertIn("'name' is UInt64 where text was generated", self.problems_of(text.format("length(name)"))[0])
        self.assertIn("'name' may be null where text", self.problems_of(text.format("toString(size)"))[0])


if __name__ == "__main__":
    unittest.main()
