"""Rules on what the code says: banned things, names before await, file names and sizes."""

import re
from dataclasses import dataclass

from source import Finding

LINES_MAX = 600
VAGUE = re.compile(r"(?:^|_)(utils?|commons?|helpers?|core|managers?|misc)(?:_|$)")


@dataclass(frozen=True)
class Ban:
    """What is not written, and what is written instead. `where` are path prefixes, `but` those that are exempt, and
    `tests` says whether it holds in tests too."""

    pattern: str
    what: str
    instead: str
    where: tuple = ("loadstone/", "campus/", "tests/", "bench/", "examples/")
    but: tuple = ()
    tests: bool = True


PRODUCT = ("loadstone/", "campus/")
BANS = (
    Ban(r"\.detach\s*\(\s*\)", "a detached thread", "std::jthread or a lane, owned and joined"),
    Ban(r"\basio::detached\b|\bdetached_t\b", "asio::detached", "TaskScope::spawn, which joins and reports failures",
        PRODUCT, ("loadstone/runtime/",)),
    Ban(r"\bthis_thread::sleep_\w+|(?<![\w.>])(u|nano|clock_nano)sleep\s*\(", "sleeping",
        "a timer with a deadline, a signal, or wait_until(condition, deadline)"),
    Ban(r"(?<![\w.>:])(std::)?s?rand\s*\(", "rand()", "loadstone/base/random.h"),
    Ban(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok)\s*\(", "an unbounded C string function",
        "std::string, or fmt::format_to_n into a bound"),
    Ban(r"\b(std::)?(atoi|atol|atoll|atof|stoi|stol|stoll|stoul|stoull|stof|stod)\s*\(", "atoi and stoi",
        "std::from_chars, with the whole text consumed", tests=False),
    Ban(r"\bstd::(basic_)?regex\b|\bstd::regex_\w+", "std::regex", "a hand-written parser: std::regex has no bound on stack or time"),
    Ban(r"(?<![\w.>])(std::)?v?f?printf\s*\(", "printf", "loadstone/base/log.h, or fmt::print in a command", PRODUCT),
    Ban(r"\bstd::(cout|cerr|clog)\b", "an output stream in a library", "loadstone/base/log.h", PRODUCT,
        ("loadstone/server/", "campus/main.cc")),
    Ban(r"\bstd::endl\b", "std::endl", "'\\n'"),
    Ban(r"(?<![\w.>:])assert\s*\(", "assert()", "LOADSTONE_ASSERT, which stays on in release"),
    Ban(r"\bstd::async\b", "std::async", "a lane"),
    Ban(r"(?<![\w.>])(std::)?(system|popen)\s*\(", "a shell", "posix_spawn with arguments", PRODUCT),
    Ban(r"(?<![\w.>])(std::)?(secure_)?getenv\s*\(", "reading the environment", "a setting that loadstone/server passes in", PRODUCT,
        ("loadstone/server/",), tests=False),
    Ban(r"(?<!operator )(?<!= )\bdelete\b(\s*\[\s*\])?\s*[A-Za-z_(:*]", "delete", "std::unique_ptr"),
    Ban(r"\bGTEST_SKIP\b|\bDISABLED_\w+", "a test that does not run", "a test that runs, or none"),
    Ban(r"\busing\s+namespace\s+std\s*;", "using namespace std", "the names themselves"),
)
WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
NEW = re.compile(r"\bnew\b(?!\s*\()")
OWNED = re.compile(r"(?:unique_ptr|shared_ptr)\s*<[^;{}]*>\s*(?:\w+\s*)?[({]\s*$|\.reset\(\s*$|\boperator\s*$|#\s*include\s*<$")


def check_bans(sources):
    for source in sources:
        for ban in BANS:
            if not source.path.startswith(ban.where) or (ban.but and source.path.startswith(ban.but)):
                continue
            if source.is_test and not ban.tests:
                continue
            for match in re.finditer(ban.pattern, source.code):
                yield Finding(source.path, source.line(match.start()), "banned", f"{ban.what}: use {ban.instead}")
        for match in NEW.finditer(source.code):
            if not OWNED.search(source.code[max(0, match.start() - 200):match.start()]):
                yield Finding(source.path, source.line(match.start()), "banned",
                              "new without an owner: use std::make_unique, or hand it to a unique_ptr in the same expression")
        for match in WORDS.finditer(source.text):
            yield Finding(source.path, source.line_of(source.text, match.start()), "banned",
                          f"{match.group(1)}: do it, or write down as a limit what is not done")


def check_headers(sources):
    for source in sources:
        if not source.is_header:
            continue
        if not re.match(r"\s*#pragma once\b", source.code):
            yield Finding(source.path, 1, "header", "a header begins with #pragma once")
        for match in re.finditer(r"^\s*using\s+namespace\s+(?![\w:]*literals\b)[\w:]+", source.code, re.MULTILINE):
            yield Finding(source.path, source.line(match.start()) + match.group().count("\n"), "header",
                          "using namespace in a header: name what is used")


def check_files(paths_and_lines):
    for path, lines in paths_and_lines:
        name = path.rsplit("/", 1)[-1].split(".")[0]
        for part in path.split("/")[:-1] + [name]:
            match = VAGUE.search(part)
            if match:
                yield Finding(path, 1, "file-name", f"'{part}' says nothing about what is in it: name it for the thing it is about")
                break
        if lines > LINES_MAX:
            yield Finding(path, LINES_MAX, "file-size", f"{lines} lines, the limit is {LINES_MAX}: split it by idea")


# --- name before await ---------------------------------------------------------------------------------------------

CLOSERS = {"(": ")", "[": "]", "{": "}"}
TRIVIAL = re.compile(r"(?:nanoseconds|microseconds|milliseconds|seconds|minutes|hours|size_t|u?int(?:\d+_t)?|string_view|span)\s*$")


def matching(code, start):
    """The index of the bracket that closes the one at `start`, or the end."""
    opener, closer, depth = code[start], CLOSERS[code[start]], 0
    for index in range(start, len(code)):
        if code[index] == opener:
            depth += 1
        elif code[index] == closer:
            depth -= 1
            if depth == 0:
                return index
    return len(code)


def previous(code, index):
    """The last character before index that is no space, or ''."""
    text = code[:index].rstrip()
    return text[-1] if text else ""


def lambda_at(code, index):
    """(captures, start of the body, its end) if a lambda begins with the [ at index, else None."""
    before = code[max(0, index - 64):index].rstrip()
    keyword = re.search(r"(?<!\w)(return|co_return|co_await|co_yield|case|else|throw)$", before)
    if before and (before[-1].isalnum() or before[-1] in "_)]\"") and not keyword:
        return None  # a subscript
    if code.startswith("[[", index) or before.endswith("["):
        return None  # an attribute
    close = matching(code, index)
    rest = re.compile(r"\s*(<[^;{}]*>)?\s*(\()?").match(code, close + 1)
    position = rest.end()
    if rest.group(2):
        position = matching(code, position - 1) + 1
    head = re.compile(r"[\w\s:<>,&*()]*?(->[^{;]*?)?\s*\{").match(code, position)
    if not head:
        return None
    body = head.end() - 1
    return code[index + 1:close].strip(), body, matching(code, body)


def expression_after(code, start):
    """The index where the full expression with the co_await at `start` ends."""
    depth, index = 0, start
    while index < len(code):
        character = code[index]
        if character in "([":
            depth += 1
        elif character in ")]":
            if depth == 0:
                return index
            depth -= 1
        elif character == "{":
            if depth == 0 and previous(code, index) == ")" and index > start:
                return index
            depth += 1
        elif character == "}":
            if depth == 0:
                return index
            depth -= 1
        elif character == ";" and depth == 0:
            return index
        index += 1
    return index


def check_await(sources):
    for source in sources:
        code = source.code
        for match in re.finditer(r"\bco_await\b", code):
            yield from await_findings(source, match.end(), expression_after(code, match.end()))
            begin = max(code.rfind(character, 0, match.start()) for character in ";{}") + 1
            if "?" in code[begin:match.start()]:
                yield Finding(source.path, source.line(match.start()), "name-before-await",
                              "co_await inside a ternary: use if and else")
        for index in (found.start() for found in re.finditer(r"\[", code)):
            found = lambda_at(code, index)
            if found and found[0] and re.search(r"\bco_(await|return|yield)\b", own_body(code, *found[1:])):
                yield Finding(source.path, source.line(index), "coroutine-lambda",
                              "a coroutine that is a capturing lambda outlives its captures: make it a named function "
                              "that takes them as parameters")


def own_body(code, start, end):
    """The body of a lambda without those of lambdas inside it."""
    body, index = "", start
    while index < end:
        inner = lambda_at(code, index) if code[index] == "[" and index > start else None
        if inner:
            index = inner[2] + 1
            continue
        body += code[index]
        index += 1
    return body


def await_findings(source, start, end):
    code, index = source.code, start
    while index < end:
        character = code[index]
        if character == "[":
            found = lambda_at(code, index)
            if found:
                if found[0]:
                    yield finding(source, index, "a capturing lambda")
                index = found[2] + 1
                continue
        elif character == "{":
            close = matching(code, index)
            before = code[:index].rstrip()
            inside = code[index + 1:close].strip()
            if before[-1:] in ("(", ",", "{"):
                yield finding(source, index, "a braced list")
            elif re.search(r"[\w>]$", before) and inside and not TRIVIAL.search(before[-40:]):
                yield finding(source, index, "a braced temporary")
            index = close + 1
            continue
        elif character == "?":
            yield finding(source, index, "a ternary")
        index += 1


def finding(source, index, what):
    return Finding(source.path, source.line(index), "name-before-await",
                   f"{what} inside a co_await expression: give it a name on a line before")
