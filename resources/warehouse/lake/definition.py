"""The statements that define the tables, views and macros of a lake."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from resources.errors import WarehouseError
from resources.warehouse import search
from resources.warehouse.schema import TableSpec, quoted, sql_type
from resources.warehouse.store import Definition
from resources.warehouse.views import DERIVED, TIMECODE, ViewSpec, analyzers_view, literal

_DICTIONARY = "data_dictionary"


@dataclass(frozen=True, slots=True)
class Columns:
    """The types of the columns that a lake has, by table and column."""

    types: Mapping[str, Mapping[str, str]]

    def statements(self, tables: Sequence[TableSpec]) -> Iterator[str]:
        """Yield what is missing for these tables. Nothing is removed: the code before may still need it.

        Raises:
            WarehouseError: A column has a type that cannot be changed into the declared one.
        """
        for table in tables:
            name, there = quoted(table.name), self.types.get(table.name)
            columns = {column.name: sql_type(column.dtype, f"{table.name}.{column.name}") for column in table.columns}
            if there is None:
                declared = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns.items())
                yield f"CREATE TABLE {name} ({declared})"
                # a video's rows lie together, so that few files and groups are read for it
                yield f"ALTER TABLE {name} SET SORTED BY ({quoted(table.key)} ASC)"
            else:
                yield from self._changed(table, there, columns)
            yield f"COMMENT ON TABLE {name} IS {literal(table.description)}"
            for column in table.columns:
                meaning = literal(f"{column.description} [{column.unit}]")
                yield f"COMMENT ON COLUMN {name}.{quoted(column.name)} IS {meaning}"

    @staticmethod
    def _changed(table: TableSpec, there: Mapping[str, str], columns: Mapping[str, str]) -> Iterator[str]:
        for column, kind in columns.items():
            if column not in there:
                yield f"ALTER TABLE {quoted(table.name)} ADD COLUMN {quoted(column)} {kind}"
            elif _plain(there[column]) != _plain(kind):
                raise WarehouseError(
                    f"{table.name}.{column}",
                    f"the lake has {there[column]}, this code declares {kind}",
                    "give the column another name: a lake keeps the types of its columns",
                )


def views(definition: Definition) -> Iterator[str]:
    """Yield the statements that make views and macros anew."""
    yield _replacing(TIMECODE)
    found = [view for view in DERIVED if view.name != _DICTIONARY]
    found = [analyzers_view(definition.analyzers), *found, *definition.views]
    for view in [*found, _dictionary(found)]:
        yield f"CREATE OR REPLACE VIEW {quoted(view.name)} AS {view.query.strip()}"
        yield f"COMMENT ON VIEW {quoted(view.name)} IS {literal(view.description)}"
    texts = [spec.select(quoted(spec.table.name)) for spec in definition.texts]
    yield from map(_replacing, [*definition.macros, *(search.scan(texts) if texts else [])])


def _dictionary(found: Sequence[ViewSpec]) -> ViewSpec:
    """Return `data_dictionary` with the columns of the views listed: DuckLake has no comments for those."""
    known = next(view for view in DERIVED if view.name == _DICTIONARY)
    listed = ", ".join(
        f"({literal(view.name)}, {literal(column)}, {literal(f'{meaning} [{unit}]')})"
        for view in (*found, known)
        for column, (unit, meaning) in view.columns.items()
    )
    query = (
        "SELECT table_name, column_name, data_type, coalesce(comment, listed.meaning) AS meaning "  # noqa: S608
        f"FROM duckdb_columns() LEFT JOIN (VALUES {listed}) AS listed(table_name, column_name, meaning) "
        "USING (table_name, column_name) WHERE NOT internal AND coalesce(comment, listed.meaning) IS NOT NULL "
        "ORDER BY table_name, column_index"
    )
    return ViewSpec(known.name, known.description, query, known.columns)


def _replacing(macro: str) -> str:
    return macro.replace("CREATE MACRO", "CREATE OR REPLACE MACRO", 1)


def _plain(kind: str) -> str:
    return kind.replace('"', "").upper()
