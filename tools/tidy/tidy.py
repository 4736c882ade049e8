#!/usr/bin/env python3
"""The house rules as a program: `tidy.py [TOP]` prints `file:line: rule: what, and what to do instead`.

README.md beside this file lists the rules. Exceptions stand in the file `allowed`, each with its reason; one that allows
nothing any more is itself an error.
"""

import fnmatch
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import code  # noqa: E402
import includes  # noqa: E402
import tables  # noqa: E402
from source import Finding, Source, read_layers  # noqa: E402

SIZED = (".cc", ".h", ".sql", ".py", ".sh", ".js", ".cmake")
TOPS = ("loadstone/", "campus/", "tests/", "bench/", "examples/", "tools/", "cmake/")


def files_of(root):
    """The project's files, as git sees them, or all where it does not."""
    try:
        listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                check=True, capture_output=True).stdout.decode().split("\0")
        paths = [path for path in listed if path and (root / path).is_file()]
    except (OSError, subprocess.CalledProcessError):
        paths = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    return sorted(path for path in set(paths) if path.startswith(TOPS))


def read_allowed(path):
    """[(line, rule, path pattern, part of the text)]: `rule | path | text | reason`."""
    entries, findings = [], []
    if not path.exists():
        return entries, findings
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 4 or not all(fields):
            findings.append(Finding("tools/tidy/allowed", number, "allowed", "not of the form: rule | path | text | reason"))
        else:
            entries.append((number, *fields[:3]))
    return entries, findings


def check(root):
    """Every finding of the tree, after the exceptions."""
    paths = files_of(root)
    sources = [Source(path, (root / path).read_text(encoding="utf-8")) for path in paths if path.endswith((".cc", ".h")) and not path.startswith("cmake/")]
    layers = read_layers((root / "cmake/layers.cmake").read_text(encoding="utf-8"))
    sized = [(path, (root / path).read_bytes().count(b"\n")) for path in paths
             if path.endswith(SIZED) or path.endswith("CMakeLists.txt")]
    findings = [
        *includes.check_layers(sources, layers),
        *includes.check_internal(sources),
        *includes.check_modules(sources, layers),
        *includes.check_homes(sources),
        *includes.check_public_headers(sources),
        *code.check_bans(sources),
        *code.check_headers(sources),
        *code.check_files(sized),
        *code.check_await(sources),
        *tables.check_tables(root, [path for path in paths if path.endswith(".sql")], layers),
        *tables.check_sql_in_code(sources),
        *tables.check_asked(sources, paths),
    ]
    entries, problems = read_allowed(root / "tools/tidy/allowed")
    used = set()

    def allowed(finding):
        for number, rule, pattern, text in entries:
            if rule == finding.rule and fnmatch.fnmatchcase(finding.path, pattern) and text in finding.text:
                used.add(number)
                return True
        return False

    kept = [finding for finding in findings if not allowed(finding)]
    for number, rule, pattern, _ in entries:
        if number not in used:
            kept.append(Finding("tools/tidy/allowed", number, "allowed",
                                f"nothing in {pattern} needs this exception to '{rule}' any more: remove it"))
    return sorted(set(kept + problems))


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).resolve().parent.parent.parent)
    findings = check(root)
    for finding in findings:
        print(finding)
    if findings:
        print(f"tidy: {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
