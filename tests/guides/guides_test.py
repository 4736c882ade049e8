"""Each block of a guide is code that is run: its parts stand in an example's or a test's sources, line by line.

A block, of C++, SQL or JavaScript, is a part, or several with lines "// ..." or "-- ..." between them. Indentation does not count.
"""

import pathlib
import re
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = {"data_access.md": "examples/03_data", "derived_data.md": "examples/04_derived", "jobs.md": "examples/02_jobs",
            "jobs_from_other_languages.md": "tests/process/node"}  # whose code a guide shows
RUN_FROM_THE_GUIDE = "grant usage on schema loadstone"  # by tests/conformance/jobs_sql.cc
GAPS = ("// ...", "-- ...")
BLOCK = re.compile(r"^```(?:cpp|sql|js)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```", re.MULTILINE)


def code_lines(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def parts_of(block):
    parts = [[]]
    for line in code_lines(block):
        if line in GAPS:
            parts.append([])
        else:
            parts[-1].append(line)
    return parts


def stands_in(part, lines):
    return any(lines[at:at + len(part)] == part for at in range(len(lines) - len(part) + 1))


class GuidesTest(unittest.TestCase):
    def test_a_guide_with_code_has_its_example(self):
        self.assertEqual({guide.name for guide in (SOURCE / "docs" / "guides").glob("*.md") if CODE.search(guide.read_text())},
                         set(EXAMPLES))

    def test_its_code_is_the_examples(self):
        for guide, example in EXAMPLES.items():
            sources = [code_lines(path.read_text()) for path in sorted((SOURCE / example).rglob("*"))
                       if path.suffix in (".cc", ".h", ".sql", ".mjs") and "node_modules" not in path.parts]
            text = (SOURCE / "docs" / "guides" / guide).read_text()
            blocks = BLOCK.findall(text)
            self.assertGreater(len(blocks), 3, guide)
            self.assertEqual(text.count("```"), 2 * len(blocks), f"{guide}: each block is ```cpp, ```sql or ```js")
            for block in blocks:
                if block.startswith(RUN_FROM_THE_GUIDE):
                    continue
                for part in parts_of(block):
                    with self.subTest(guide=guide, part=part[:1]):
                        self.assertTrue(part, "an empty part")
                        self.assertTrue(any(stands_in(part, lines) for lines in sources),
                                        "no file of the example has this:\n" + "\n".join(part))

    def test_a_block_that_is_nowhere_is_found(self):
        lines = code_lines("int a;\n  int b;\n\nint c;\n")
        self.assertTrue(stands_in(["int b;", "int c;"], lines))
        self.assertFalse(stands_in(["int a;", "int c;"], lines))
        self.assertEqual(parts_of("int a;\n// ...\nint c;\n"), [["int a;"], ["int c;"]])


if __name__ == "__main__":
    unittest.main()
