"""From a typed statement's text to what each database is sent: arrays, pages, and parameters by number.

{in ids}, {not in ids}   after an expression: whether it is one of an array
{rows items}             in a from: the rows of an array as a subquery, whose columns are its fields
{values items}           instead of values (...): the same rows, for an insert
"""

from lexer import SqlError, Token, tokens_of

SQL_TYPES = {"int": "bigint", "real": "double precision", "text": "", "bool": "boolean"}  # PostgreSQL's, of JSON's text


def cast(text, base):
    return f"({text})::{SQL_TYPES[base]}" if SQL_TYPES[base] else text


def member(parameter, dialect, is_negated):
    if dialect == "sqlite":
        return f"{'not in' if is_negated else 'in'} (select value from json_each(${parameter.name}))"
    value = cast(f"json_array_elements_text(${parameter.name}::json)", parameter.type.base)
    return f"{'<> all' if is_negated else '= any'} (array(select {value}))"


def rows(parameter, dialect):
    if dialect == "sqlite":
        columns = ", ".join(f"json_extract(value, '$[{at}]') as {name}" for at, (name, _) in enumerate(parameter.fields))
        return f"(select {columns} from json_each(${parameter.name}))"
    columns = ", ".join(f"{cast(f'e ->> {at}', kind.base)} as {name}" for at, (name, kind) in enumerate(parameter.fields))
    return f"(select {columns} from json_array_elements(${parameter.name}::json) as r (e))"


def values(parameter, dialect):
    names = ", ".join(name for name, _ in parameter.fields)
    # SQLite takes `on conflict` after a select for a join's condition unless there is a where.
    return f"select {names} from {rows(parameter, dialect)} as {parameter.name} where true"


FORMS = {"in": member, "rows": rows, "values": values}  # of the database's statements


def braces(words, parameters, dialect, path, line, forms):
    """The SQL for what stands between { and }."""
    known = {parameter.name: parameter for parameter in parameters}
    kind, name = " ".join(words[:-1]), words[-1]
    if kind.removeprefix("not ") not in forms or kind.startswith("not") and kind != "not in":
        known_forms = ", ".join(f"{{{each} ..}}" for each in ("in", "not in", *list(forms)[1:]))
        raise SqlError(path, line, f"{{{' '.join(words)}}} is none of {known_forms}")
    if name not in known or not known[name].is_array:
        raise SqlError(path, line, f"{{{' '.join(words)}}}: there is no array '{name}' in the line of the name")
    parameter = known[name]
    if bool(parameter.fields) != (kind in ("rows", "values")):
        raise SqlError(path, line, f"{{{kind} {name}}}: '{name}' is an array of {'rows' if parameter.fields else 'values'}")
    if kind in ("rows", "values"):
        return forms[kind](parameter, dialect)
    return forms["in"](parameter, dialect, kind == "not in")


def with_arrays(tokens, parameters, dialect, path, forms=FORMS):
    """The tokens with every {..} replaced, by what `forms` makes of it."""
    out, at = [], 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token.kind != "other" or token.text != "{":
            out.append(token)
            continue
        words = []
        while at < len(tokens) and tokens[at].text != "}":
            if tokens[at].kind != "space":
                words.append(tokens[at].text)
            at += 1
        if at == len(tokens) or not words:
            raise SqlError(path, token.line, "a { that is never closed")
        at += 1
        text = braces(words, parameters, dialect, path, token.line, forms)
        out += [Token(t.kind, t.text, token.line) for t in tokens_of(text, path, token.line)]
    return out


def behind(order):
    """The condition that a row of the page lies behind the cursor, whose values are $after_COLUMN."""
    directions = {is_descending for _, is_descending in order}
    if len(directions) == 1:
        names = ", ".join(name for name, _ in order)
        places = ", ".join(f"$after_{name}" for name, _ in order)
        if len(order) > 1:
            names, places = f"({names})", f"({places})"
        return f"{names} {'<' if directions == {True} else '>'} {places}"
    # Directions that differ have no row comparison. The first condition bounds a scan of the index.
    (name, is_descending), rest = order[0], order[1:]
    sign = "<" if is_descending else ">"
    return f"{name} {sign}= $after_{name} and ({name} {sign} $after_{name} or ({behind(rest)}))"


def paged(tokens, order, is_first, dialect, path, line):
    """The statement as a page: sorted, from the start or behind a cursor, $page_rows at most."""
    # Were the bound known when PostgreSQL plans, it would find plans for it so good that it made one for each call.
    rows = "(select $page_rows::bigint)" if dialect == "postgres" else "$page_rows"
    keys = ", ".join(name + (" desc" if is_descending else "") for name, is_descending in order)
    where = "" if is_first else f"where {behind(order)} "
    start = tokens_of("select * from (", path, line)
    end = tokens_of(f") as page {where}order by {keys} limit {rows}", path, line)
    return start + tokens + end


def numbered(tokens, names, dialect, path, line, what):
    """$name becomes $1..$n, in the order of the line of the name; each must be used."""
    places = {name: f"${at}" for at, name in enumerate(names, 1)}
    used, out = set(), []
    for token in tokens:
        if token.kind == "parameter":
            raise SqlError(path, token.line, f"'{what}' is typed: write {token.text} by its name")
        if token.kind == "other" and token.text == "?" and dialect != "postgres":  # jsonb's operator
            raise SqlError(path, token.line, "write parameters as $name, not ?")
        if token.kind != "named":
            out.append(token)
            continue
        name = token.text[1:]
        if name not in places:
            raise SqlError(path, token.line, f"{token.text} is no parameter of '{what}'")
        used.add(name)
        out.append(Token("parameter", places[name], token.line))
    for name in names:
        if name not in used:
            raise SqlError(path, line, f"'{what}' does not use its parameter '{name}'")
    return out
