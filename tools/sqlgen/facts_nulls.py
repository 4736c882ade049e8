"""Whether questions give nulls where they say that there are none: DuckDB does not tell, so each is asked.

Of a store without facts, of one whose facts have a null wherever there may be one, and of one that has others as well. What is
found so is so; what is not found may still be: a null that only some values of a parameter or a column bring.
"""

from dataclasses import dataclass

from duckdb_scratch import TABLE_KINDS, Refused
from lexer import SqlError, Token, collapse

VALUES = {"int": ("1", "2"), "real": ("1.5", "2.5"), "text": ("'1'", "'2'"), "bool": ("true", "false"),
          "timestamp": ("make_timestamp(1)", "make_timestamp(2)")}  # of two facts
GIVEN = {"int": "1", "real": "1.5", "text": "'1'", "bool": "true"}  # for a parameter: that of the first


@dataclass
class Question:
    path: str
    line: int
    columns: list  # [(name, Type)]
    text: str  # without parameters


def question(statement, signature, tokens):
    """`tokens` as they are sent, with $1, $2."""
    values = [f"'{':'.join('1' for _ in parameter.fields) or '1'}'" if parameter.is_array else GIVEN[parameter.type.base]
              for parameter in signature.parameters]
    filled = [Token("other", values[int(token.text[1:]) - 1], token.line) if token.kind == "parameter" else token for token in tokens]
    return Question(statement.path, statement.line, signature.columns, collapse(filled))


def check_nulls(scratch, tables, questions):
    """`tables` as scratch.tables() gives them; all are empty. Errors: SqlError."""
    check(scratch, questions)
    for only_nulls in (True, False):
        for table, columns in tables.items():
            for at in (0, 1):
                values = [VALUES[TABLE_KINDS[kind]][at] if is_not_null or not only_nulls else "null"
                          for kind, is_not_null in columns.values()]
                scratch.execute(f'insert into "{table}" values ({", ".join(values)})')
        check(scratch, questions)


def check(scratch, questions):
    for each in questions:
        names = [name for name, kind in each.columns if not kind.is_nullable]
        if not names:
            continue
        looks = ", ".join(f'coalesce(bool_or("{name}" is null), false)' for name in names)
        try:
            (found,) = scratch.rows(f"select {looks} from ({each.text}) as asked", len(names))
        except Refused:
            continue  # of these values; it has been prepared
        for name, has_null in zip(names, found):
            if has_null == "true":
                raise SqlError(each.path, each.line, f"column '{name}' is null for some facts, or for none: "
                                                     "state '-- column:' with a ?, or coalesce it")
