"""Rules on #include lines: layers, modules, homes of external headers, what public headers may hold."""

import re

from source import Finding

# Header prefix, the folders it may be included from, and what the others call instead.
HOMES = (
    ("sqlite3.h", ("loadstone/store/sqlite/",), "loadstone/store"),
    ("libpq-fe.h", ("loadstone/store/postgres/",), "loadstone/store"),
    ("libpq/", ("loadstone/store/postgres/",), "loadstone/store"),
    ("postgresql/", ("loadstone/store/postgres/",), "loadstone/store"),
    ("boost/beast", ("loadstone/net/",), "loadstone/net"),
    ("boost/asio/ssl", ("loadstone/net/",), "loadstone/net"),
    ("duckdb.h", ("loadstone/analytics/duckdb/",), "loadstone/analytics"),
    ("curl/", ("loadstone/outbound/",), "loadstone/outbound"),
    ("date/", ("loadstone/jobs/",), "loadstone/jobs/cron.h"),
    ("toml++/", ("loadstone/server/",), "the configuration that loadstone/server reads"),
    ("CLI/", ("loadstone/server/",), "the command line that loadstone/server reads"),
    ("argon2", ("campus/accounts/",), "campus/accounts/password.h"),
    ("sodium", ("loadstone/base/", "campus/accounts/"), "loadstone/base/random.h or encoding.h"),
    ("openssl/", ("loadstone/net/",), "loadstone/net, or libsodium's functions in base"),
    ("zlib.h", ("loadstone/net/",), "loadstone/net"),
    ("spdlog/", ("loadstone/base/",), "loadstone/base/log.h"),
    ("boost/json", ("loadstone/base/", "loadstone/net/"), "loadstone/base/json.h"),
    ("gtest/", (), "a *_test.cc file"),
    ("gmock/", (), "a *_test.cc file"),
    ("benchmark/", (), "a *_bench.cc file"),
)
PUBLIC_BOOST = "boost/asio/awaitable.hpp"
DEPENDS = re.compile(r"\bdepends_on\s*=?\s*\{([^}]*)\}")


# Folders that are private to their library, as internal/ is.
PRIVATE = ("loadstone/store/sqlite/", "loadstone/store/postgres/", "loadstone/analytics/duckdb/", "loadstone/analytics/clickhouse/")


def is_private(path):
    return "/internal/" in path or path.startswith(PRIVATE)


def is_public_header(source):
    return (source.is_header and source.path.startswith(("loadstone/", "campus/"))
            and not is_private(source.path) and not source.is_test)


def check_layers(sources, layers):
    for source in sources:
        library = source.library
        if library is None:
            continue
        if library not in layers:
            yield Finding(source.path, 1, "layer", f"loadstone/{library} is not in cmake/layers.cmake: give it a line there")
            continue
        for line, _, header in source.includes:
            parts = header.split("/")
            if parts[0] in ("campus", "tests", "bench", "examples"):
                yield Finding(source.path, line, "layer",
                              f"the framework does not include {parts[0]}/: move what is needed into loadstone/, "
                              "or the file out of it")
            if parts[0] != "loadstone" or len(parts) < 3 or parts[1] == library:
                continue
            other = parts[1]
            if other not in layers:
                yield Finding(source.path, line, "layer", f"there is no library loadstone/{other} in cmake/layers.cmake")
            elif other not in layers[library][1]:
                own, theirs = layers[library][0], layers[other][0]
                why = (f"layer {theirs} is not below it: pass in what is needed as a function, or move it down"
                       if theirs >= own else "it does not use that library: add it to USES in cmake/layers.cmake")
                yield Finding(source.path, line, "layer", f"{library} (layer {own}) includes loadstone/{other}: {why}")


def check_internal(sources):
    for source in sources:
        if source.path.startswith("tests/"):
            continue  # what a test of two databases looks into may be private
        for line, _, header in source.includes:
            owner = "/".join(header.split("/")[:2]) + "/"
            if owner.startswith(("loadstone/", "campus/")) and is_private(header) and not source.path.startswith(owner):
                yield Finding(source.path, line, "internal",
                              f"{header} is private to {owner}: use its public headers, or make that one public")


def dependencies(sources):
    """{module: (modules that its module.cc declares, the line of the declaration)}"""
    found = {}
    for source in sources:
        if source.module and source.path == f"campus/{source.module}/module.cc":
            match = DEPENDS.search(re.sub(r"//[^\n]*", "", source.text))
            names = re.findall(r'"(\w+)"', match.group(1)) if match else []
            line = source.line_of(source.text, source.text.find("depends_on")) if match else 1
            found[source.module] = (names, line)
    return found


def check_modules(sources, layers):
    declared = dependencies(sources)
    modules = {source.module for source in sources if source.module}
    above = {name for name in layers if "module" in layers and name not in layers["module"][1] | {"module"}}
    for source in sources:
        if source.module is None:
            continue
        for line, _, header in source.includes:
            parts = header.split("/")
            if parts[0] == "loadstone" and len(parts) > 2 and parts[1] in above:
                yield Finding(source.path, line, "module",
                              f"a module does not include loadstone/{parts[1]}: only campus/main.cc does")
            if parts[0] != "campus" or len(parts) < 3 or parts[1] == source.module:
                continue
            other = parts[1]
            if header != f"campus/{other}/{other}.h":
                yield Finding(source.path, line, "module",
                              f"{header} is inside another module: include campus/{other}/{other}.h, its public face")
            elif other not in declared.get(source.module, ((), 1))[0]:
                yield Finding(source.path, line, "module",
                              f"campus/{source.module} uses {other} without saying so: add \"{other}\" to depends_on in "
                              f"campus/{source.module}/module.cc")
    for module, (names, line) in sorted(declared.items()):
        for name in names:
            if name not in modules:
                yield Finding(f"campus/{module}/module.cc", line, "module", f"depends_on names '{name}', which is no module")
    yield from cycles({module: names for module, (names, _) in declared.items()}, declared)


def cycles(graph, declared):
    """One finding per cycle, at its first module by name."""
    reported = set()

    def walk(module, path):
        if module in path:
            ring = path[path.index(module):]
            if frozenset(ring) not in reported:
                reported.add(frozenset(ring))
                first = min(ring)
                start = ring.index(first)
                ring = ring[start:] + ring[:start]
                yield Finding(f"campus/{first}/module.cc", declared[first][1], "module",
                              f"a cycle: {' -> '.join(ring + [first])}: let one publish an event or take a function instead")
            return
        for name in graph.get(module, ()):
            yield from walk(name, path + [module])

    for module in sorted(graph):
        yield from walk(module, [])


def check_homes(sources):
    for source in sources:
        if not source.path.startswith(("loadstone/", "campus/")):
            continue
        for line, kind, header in source.includes:
            if kind != "<":
                continue
            for prefix, folders, instead in HOMES:
                if not header.startswith(prefix):
                    continue
                if source.is_test and prefix in ("gtest/", "gmock/", "benchmark/"):
                    continue
                if not source.path.startswith(folders):
                    where = " and ".join(folders) if folders else "tests"
                    yield Finding(source.path, line, "home", f"<{header}> belongs to {where}: use {instead}")


def is_modules_own(path):
    """A header of a module that is not its face: it is not installed, and generated SQL is light."""
    parts = path.split("/")
    return parts[0] == "campus" and len(parts) > 2 and parts[2] != parts[1] + ".h"


def check_public_headers(sources):
    """Public headers, and the internal ones that they include, stay light and can be installed."""
    by_path = {source.path: source for source in sources}
    reached = {source.path: source.path for source in sources if is_public_header(source)}
    pending = sorted(reached)
    while pending:
        source = by_path[pending.pop()]
        for _, _, header in source.includes:
            if is_private(header) and header in by_path and header not in reached:
                reached[header] = reached[source.path]
                pending.append(header)
    for path in sorted(reached):
        via = "" if reached[path] == path else f" (included by {reached[path]})"
        for line, kind, header in by_path[path].includes:
            if kind == '"' and header.endswith("/sql.h") and not is_modules_own(path):
                yield Finding(path, line, "public-header",
                              f"a public header{via} does not include generated SQL: include {header} in the .cc file")
            if kind != "<":
                continue
            if header.startswith("boost/") and header != PUBLIC_BOOST:
                yield Finding(path, line, "public-header",
                              f"a public header{via} includes <{header}>: of Boost only <{PUBLIC_BOOST}>; move it to the .cc "
                              "file or an internal/ header")
            elif any(header.startswith(home[0]) for home in HOMES if not home[0].startswith("boost/")):
                yield Finding(path, line, "public-header",
                              f"a public header{via} includes <{header}>: forward-declare, and include it in the .cc file")
