"""embed.py OUT NAMESPACE HEADER FILE..: a C++ file that holds the text of each FILE, for a program that serves them.

It defines `const std::span<const Asset> assets` of NAMESPACE, declared in HEADER with the struct Asset {name, text}.
"""

import pathlib
import sys

PIECE = 8_000  # of a string literal: compilers need to take no more than 65,536 bytes


def literal(text):
    """As adjacent raw literals."""
    delimiter = "web"
    while f"){delimiter}\"" in text:
        delimiter += "x"
    pieces = [text[at:at + PIECE] for at in range(0, len(text), PIECE)] or [""]
    return "\n".join(f'R"{delimiter}({piece}){delimiter}"' for piece in pieces)


def main():
    out, namespace, header, *files = sys.argv[1:]
    lines = [f'#include "{header}"', "", f"namespace {namespace} {{", "", "namespace {", "", "constexpr Asset all[] = {"]
    for file in map(pathlib.Path, files):
        lines += [f'{{"{file.name}",', literal(file.read_text(encoding="utf-8")) + "},"]
    lines += ["};", "", "}  // namespace", "", "const std::span<const Asset> assets(all);", "", f"}}  // namespace {namespace}", ""]
    pathlib.Path(out).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(out).write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
