"""What a statement reads and writes: its tables, and of each the columns that it binds to a parameter.

Caches rest on it, so it errs on one side: what is not surely `column = parameter` in every use of a table is the whole table.
"""

from dataclasses import dataclass

CLAUSES = ("select", "from", "where", "group", "having", "window", "order", "limit", "offset", "for", "returning", "union",
           "intersect", "except")
JOINS = ("join", "inner", "cross", "left", "outer", ",")
UNREADABLE = ("right", "full", "natural", "lateral", "using")  # of joins; and in conditions:
UNSURE = ("or", "between", "case")  # and `not`, but for `not in` and `not null`


@dataclass(frozen=True)
class Access:
    table: str
    column: str = ""  # empty: the whole table
    parameter: int = 0
    is_array: bool = False
    writes: bool = False


def words_of(tokens):
    """Without space, and with {in ids} as one word."""
    words, at = [], 0
    texts = [token.text for token in tokens if token.kind != "space"]
    while at < len(texts):
        if texts[at] == "{":
            end = texts.index("}", at)
            words.append(" ".join(["{", *texts[at + 1:end], "}"]))
            at = end + 1
        else:
            words.append(texts[at] if texts[at][0] in "'$" else texts[at].lower())
            at += 1
    return words


def top_level(words):
    """[(word, is_nested)]: nested is what stands in parentheses, these too."""
    found, depth = [], 0
    for word in words:
        depth -= word == ")"
        found.append((word, depth > 0 or word in "()"))
        depth += word == "("
    return found


def pieces(words, separators):
    """Split at separators outside of parentheses."""
    found = [[]]
    for word, is_nested in top_level(words):
        if not is_nested and word in separators:
            found.append([])
        else:
            found[-1].append(word)
    return found


def inner(words):
    """What stands in each outermost pair of parentheses."""
    found, depth = [], 0
    for word in words:
        depth -= word == ")"
        if depth == 0 and word == "(":
            found.append([])
        elif depth > 0:
            found[-1].append(word)
        depth += word == "("
    return found


class Accesses:
    """Of the text of one dialect. `tables`: name to the names of its columns; `names`: of its parameters, in order."""

    def __init__(self, tokens, names, tables):
        self.words, self.names, self.tables = words_of(tokens), names, tables
        self.uses = {}  # table to [{column: (parameter, is_array)}], one for each place where it stands

    def parameter(self, word):
        """(number, is_array), or None."""
        if word.startswith("$"):
            name = word[1:]
            return (int(name) if name.isdigit() else self.names.index(name) + 1, False)
        if word.startswith("{ in "):
            return (self.names.index(word.split()[2]) + 1, True)
        return None

    def operand(self, words, sources):
        """(alias, column) of `a.column`, or of `column` where one source has it; None."""
        if len(words) == 3 and words[1] == "." and words[0] in sources:
            return words[0], words[2]
        if len(words) == 1:
            having = [alias for alias, table in sources.items() if words[0] in self.tables.get(table, ())]
            if len(having) == 1 and len(sources) == 1:
                return having[0], words[0]
        return None

    def bind(self, condition, sources, bound, outer, only=None):
        """Takes `column = parameter`, and what follows from columns that are equal."""
        outermost = [word for word, is_nested in top_level(condition) if not is_nested]
        negated = {after for word, after in zip(outermost, [*outermost[1:], ""]) if word == "not"}
        if negated - {"in", "null"} or any(word in UNSURE for word in outermost):
            return
        equal = []
        for piece in pieces(condition, ("and",)):
            if piece and self.parameter(piece[-1]) and piece[-1].startswith("{"):
                self.take(self.operand(piece[:-1], sources), self.parameter(piece[-1]), bound, only)
            elif piece.count("=") == 1:
                at = piece.index("=")
                sides = piece[:at], piece[at + 1:]
                for one, other in (sides, sides[::-1]):
                    if len(other) == 1 and self.parameter(other[0]):
                        self.take(self.operand(one, sources), self.parameter(other[0]), bound, only)
                equal.append(sides)
        for sides in equal * 2:
            for one, other in (sides, sides[::-1]):
                known = self.operand(other, {**outer[0], **sources})
                if known and (known in bound or known in outer[1]):
                    self.take(self.operand(one, sources), bound.get(known) or outer[1][known], bound, only)

    @staticmethod
    def take(operand, parameter, bound, only):
        if operand and (only is None or operand[0] == only):
            bound.setdefault(operand, parameter)

    def select(self, words, outer):
        """A query: each part of its set operations by itself."""
        for part in pieces(words, ("union", "intersect", "except")):
            self.part(part[1:] if part[:1] == ["all"] else part, outer)

    def clauses(self, words):
        found, name = {}, ""
        for word, is_nested in top_level(words):
            if not is_nested and word in CLAUSES:
                name = word
            else:
                found.setdefault(name, []).append(word)
        return found

    def part(self, words, outer):
        clauses = self.clauses(words)
        sources, joined = self.sources(clauses.get("from", []))
        bound = {}
        self.bind(clauses.get("where", []), sources, bound, outer)
        for alias, condition in joined:
            self.bind(condition, sources, bound, outer, only=alias)
        self.note(sources, bound)
        below = ({**outer[0], **sources}, {**{k: v for k, v in outer[1].items() if k[0] not in sources}, **bound})
        self.nested(words, below)

    def nested(self, words, outer):
        for group in inner(words):
            if group[:1] == ["select"]:
                self.select(group, outer)
            else:
                self.nested(group, outer)

    def sources(self, words):
        """{alias: table} and [(alias, its condition)]."""
        sources, joined = {}, []
        if any(word in UNREADABLE for word, _ in top_level(words)):
            return {}, []
        for item in pieces(words, JOINS):
            named = pieces(item, ("on",))
            names = [word for word, is_nested in top_level(named[0]) if not is_nested and word != "as"]
            if not names or names[0] not in self.tables or len(names) > 2 or names[-1] in sources:
                continue
            sources[names[-1]] = names[0]
            if len(named) == 2:
                joined.append((names[-1], named[1]))
        return sources, joined

    def note(self, sources, bound):
        for alias, table in sources.items():
            self.uses.setdefault(table, []).append({column: to for (of, column), to in bound.items() if of == alias})

    def read(self):
        """{table: {column: (parameter, is_array)}}; a table that stands where this cannot read it binds nothing."""
        if self.words[:1] == ["select"]:
            self.select(self.words, ({}, {}))
        found = {}
        for table, uses in self.uses.items():
            same = set.intersection(*(set(use.items()) for use in uses))
            if self.words.count(table) - self.qualified(table) == len(uses):
                found[table] = dict(same)
        return found

    def qualified(self, table):
        """How often the name stands before a point, for its columns."""
        return sum(1 for word, after in zip(self.words, self.words[1:]) if word == table and after == ".")

    def write(self):
        """(table, {column: (parameter, is_array)}) of what is written."""
        words = self.words
        if words[:2] == ["insert", "into"] and len(words) > 3 and words[3] == "(":
            return words[2], self.inserted(words)
        if words[:1] == ["update"] and words[2:3] == ["set"]:
            table, at = words[1], 2
        elif words[:2] == ["delete", "from"]:
            table, at = words[2], 2
        else:
            return "", {}
        rest = words[at:]
        clauses = {}
        name = ""
        for word, is_nested in top_level(rest):
            if not is_nested and word in ("set", "from", "where", "returning"):
                name = word
            else:
                clauses.setdefault(name, []).append(word)
        if rest[:1] != ["set"] and clauses.get("from") not in ([table], None):
            return table, {}
        bound = {}
        self.bind(clauses.get("where", []), {table: table}, bound, ({}, {}))
        changed = {piece[0] for piece in pieces(clauses.get("set", []), (",",)) if piece}
        if "(" in changed:  # set (a, b) = ...
            return table, {}
        return table, {column: to for (_, column), to in bound.items() if column not in changed}

    def selected(self, words, items):
        """{(alias, column): (parameter, is_array)}: what the condition of an insert's select says of `alias.column` that it gives."""
        if words[:1] != ["select"]:
            return {}
        end = len(words) - 2 - words[::-1].index("conflict") if "conflict" in words else len(words)
        aliases = {item[0]: "" for item in items if len(item) == 3 and item[1] == "."}
        bound = {}
        self.bind(self.clauses(words[:end]).get("where", []), aliases, bound, ({}, {}))
        return bound

    def inserted(self, words):
        columns = [piece[0] for piece in pieces(inner(words[3:])[0], (",",))]
        end = words.index(")", 3) + 1
        rest = words[end:]
        if rest[:1] == ["values"]:
            rows = inner(pieces(rest[1:], ("on", "returning"))[0])
            items = pieces(rows[0], (",",)) if len(rows) == 1 else []
        elif rest[:1] == ["select"]:
            items = pieces(pieces(rest[1:], ("from", "where", "on", "union"))[0], (",",))
            items = items if not {"union", "intersect", "except", "distinct"} & set(rest) else []
        else:
            return {}
        if len(items) != len(columns):
            return {}
        selected = self.selected(rest, items)
        bound = {column: self.parameter(item[0]) for column, item in zip(columns, items)
                 if len(item) == 1 and self.parameter(item[0]) and not item[0].startswith("{")}
        bound.update((column, selected[item[0], item[2]]) for column, item in zip(columns, items)
                     if len(item) == 3 and (item[0], item[2]) in selected)
        if "conflict" not in rest:
            return bound
        at = len(rest) - 1 - rest[::-1].index("conflict")
        action = rest[at + 1:]
        if action[-2:] == ["do", "nothing"] or ["do", "nothing"] in [action[i:i + 2] for i in range(len(action))]:
            return bound
        # The row that is there has the values of the columns that they collide in.
        target = [piece[0] for piece in pieces(inner(action)[0], (",",)) if piece] if action[:1] == ["("] else []
        start = action.index("set") + 1 if "set" in action else len(action)
        changed = {piece[0] for piece in pieces(pieces(action[start:], ("where", "returning"))[0], (",",)) if piece}
        return {column: to for column, to in bound.items() if column in target and column not in changed}


def written_names(tokens):
    """The names that stand where a statement or one of its withs writes: `into t`, `update t`, `delete from t`."""
    words = [word.strip('"').lower() for word in words_of(tokens)]
    return {name for before, word, name in zip(["", *words], words, words[1:])
            if word == "into" or (before, word) == ("delete", "from") or (word == "update" and before not in ("for", "key", "do"))}


def accesses_of(texts, names, prepared, tables):
    """[Access] of a statement: `texts` by dialect, before its arrays are expanded, and what preparing it told."""
    columns = {name: set(table.columns) for name, table in tables.items()}
    found = [Access(table, writes=table in prepared.written) for table in sorted(prepared.tables)]
    if any(name in tables and tables[name].is_view for name in prepared.tables):  # it reads rows that no condition here speaks of
        return found
    read, written = [], []
    for tokens in texts.values():
        try:
            of = Accesses(tokens, names, columns)
            read.append(of.read())
            written.append(of.write())
        except (IndexError, ValueError):  # a form that it does not know
            return found
    for access in list(found):
        if access.writes:
            bound = [columns_ if table == access.table else {} for table, columns_ in written]
        else:
            bound = [each.get(access.table, {}) for each in read]
        same = set.intersection(*(set(each.items()) for each in bound))
        found += [Access(access.table, column, *to, access.writes) for column, to in sorted(same)
                  if column in columns.get(access.table, ())]
    return found
