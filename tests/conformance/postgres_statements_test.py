"""Every statement of the build, prepared on a PostgreSQL: its types and nulls are those that were generated."""

import os
import pathlib
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["LOADSTONE_BUILD_DIR"])
sys.path[:0] = [str(SOURCE / "tests" / "process"), str(SOURCE / "tools" / "sqlgen")]

import json  # noqa: E402

import postgres_check  # noqa: E402
import sqlgen  # noqa: E402
from harness.postgres import Postgres  # noqa: E402


class PostgresStatements(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        os.chmod(cls.temporary.name, 0o755)
        cls.server = Postgres(pathlib.Path(cls.temporary.name) / "postgres")
        cls.postgres = postgres_check.Postgres(cls.server.url)

    @classmethod
    def tearDownClass(cls):
        cls.postgres.close()
        cls.server.stop()
        cls.temporary.cleanup()

    def problems_of(self, statement, columns="id bigint primary key, name text, size bigint not null"):
        """What is wrong with a statement of a module made of it; `columns` are its table's on PostgreSQL."""
        with tempfile.TemporaryDirectory() as folder:
            sql = pathlib.Path(folder) / "a" / "sql"
            (sql / "migrations").mkdir(parents=True)
            (sql / "migrations" / "0001_t.sql").write_text(
                f"-- dialect: sqlite\ncreate table t (id integer primary key, name text, size integer not null);\n"
                f"-- dialect: postgres\ncreate table t ({columns});\n")
            (sql / "a.sql").write_text(statement)
            files, _ = sqlgen.generated(pathlib.Path(folder), "a")
            return postgres_check.check(self.postgres, json.loads(files["sql.json"]))

    def test_all_of_the_build(self):
        manifests = sorted((BUILD / "gen").rglob("sql.json"))
        self.assertGreater(len(manifests), 8, "the build has generated few")
        checked = typed = 0
        for path in manifests:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            if not (SOURCE / manifest["folder"] / "sql").is_dir():
                continue  # of a module that is gone
            with self.subTest(folder=manifest["folder"]):
                self.assertEqual(postgres_check.check(self.postgres, manifest), [])
            checked += len(manifest["statements"])
            typed += sum(statement["columns"] is not None for statement in manifest["statements"])
        self.assertGreater(checked, 150)
        self.assertGreater(typed, 10)

    def test_what_agrees_is_not_told(self):
        self.assertEqual(self.problems_of("-- name: x :many (id int)\nselect id, name, size from t where id = $id"), [])

    def test_another_type_is_told(self):
        (problem,) = self.problems_of("-- name: x :one ()\n-- column: total int\nselect sum(size) as total from t")
        self.assertIn("a/sql/a.sql:1: PostgreSQL: 'total' is of type 1700 (pg_type.oid) where int was generated", problem)

    def test_a_null_is_told(self):
        (problem,) = self.problems_of("-- name: x :many ()\nselect id, size from t", "id bigint primary key, name text, size bigint")
        self.assertIn("'size' may be null", problem)

    def test_a_parameter_of_another_type_is_told(self):
        (problem,) = self.problems_of("-- name: x :many (n int)\nselect id from t where name || '' = $n")
        self.assertIn("operator does not exist: text = bigint", problem)

    def test_what_postgres_has_not_is_told(self):
        (problem,) = self.problems_of("-- name: x :many ()\nselect id from t where name glob 'a*'")
        self.assertIn("syntax error", problem)

    def test_a_migration_that_fails_is_told(self):
        (problem,) = self.problems_of("-- name: x :many ()\nselect id from t", "id bigint primary key, size blob")
        self.assertIn('a/sql/migrations/0001_t.sql:1: PostgreSQL: type "blob" does not exist', problem)


if __name__ == "__main__":
    unittest.main()
