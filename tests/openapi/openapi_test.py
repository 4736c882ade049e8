"""What the routes say of themselves (OpenAPI 3.1) passes a linter, and the linter is not deaf."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

FOLDER = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("LOADSTONE_BUILD_DIR", FOLDER.parents[1] / "build" / "release"))
LINTER = FOLDER / "node_modules" / ".bin" / "redocly"


def document():
    printed = subprocess.run([BUILD / "bin" / "campus", "openapi"], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(printed.stdout)


def lint(api):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "openapi.json"
        file.write_text(json.dumps(api, indent=1))
        environment = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
        return subprocess.run([LINTER, "lint", "--config", FOLDER / "redocly.yaml", file], capture_output=True, text=True,
                              timeout=120, env=environment)


class OpenApiTest(unittest.TestCase):
    def test_the_document_passes(self):
        seen = lint(document())
        self.assertEqual(seen.returncode, 0, seen.stdout + seen.stderr)

    def test_a_wrong_document_does_not(self):
        api = document()
        del api["components"]["schemas"]["Problem"]
        seen = lint(api)
        self.assertNotEqual(seen.returncode, 0)
        self.assertIn("Problem", seen.stdout + seen.stderr)


if __name__ == "__main__":
    unittest.main()
