# ruff: noqa: S608 - what is put into SQL as text are names of tables and columns, numbers, and the callers' own SQL
"""Sets values and tags of any number of clients by a few statements, with what was changed on record.

What is wanted stands in a temporary table; the database finds what differs from what there is, writes that down as one
row a client, and changes it. So what one person types, what is set for a whole list, and what an import brings go one
way, and none of them can leave its history out.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.backends.utils import CursorWrapper

from notifier.models import Client, ClientField, ClientTag, ClientValues, Tag, ValueChange
from notifier.models.fields import folded_column
from notifier.values.base import Stored
from notifier.values.texts import folded

_CLIENT = Client._meta.db_table
_VALUES = ClientValues._meta.db_table
_CLIENT_TAG = ClientTag._meta.db_table
_TAG = Tag._meta.db_table
_FIELD = ClientField._meta.db_table
_CHANGE = ValueChange._meta.db_table
_TABLES = ("value_wanted", "value_changed", "tag_wanted", "tag_changed")
MAX_REASON_LETTERS = 100
#: Arguments of one call: PostgreSQL takes 100, and two are of one field.
MAX_JOINED = 40


class FieldGone(Exception):
    """A field was retired or deleted in the meantime, or a tag deleted. Nothing was written."""


@dataclass(frozen=True, slots=True)
class ChangeOrigin:
    """Where changes come from. It is kept with each of them."""

    by: User | None = None
    #: "Import of spring.csv"
    reason: str = ""


@contextmanager
def wanted(fields: Collection[ClientField] = (), *, keeps_blank: bool = False) -> Iterator["Wanted"]:
    """Empty temporary tables for what some clients are to have, within the caller's transaction.

    Where a row has no value for one of the fields, the client is to have none; or else, with `keeps_blank`, whatever
    they have.
    """
    with connection.cursor() as cursor:
        _drop(cursor)
        columns = "".join(
            f", {one.column} bigint"
            if not one.is_text
            else f", {one.column} varchar(500), {folded_column(one.column)} varchar(500)"
            for one in fields
        )
        cursor.execute(f"CREATE TEMPORARY TABLE value_wanted (client_id bigint PRIMARY KEY{columns})")
        cursor.execute(
            "CREATE TEMPORARY TABLE tag_wanted (client_id bigint, tag_id bigint, is_on boolean, "
            "PRIMARY KEY (client_id, tag_id))"
        )
        yield Wanted(cursor, fields, keeps_blank)
        _drop(cursor)


def _drop(cursor: CursorWrapper) -> None:
    for table in _TABLES:
        cursor.execute(f"DROP TABLE IF EXISTS {table}")


class Wanted:
    def __init__(self, cursor: CursorWrapper, fields: Collection[ClientField], keeps_blank: bool) -> None:
        self._cursor = cursor
        self._fields = list(fields)
        self._keeps_blank = keeps_blank
        #: Columns of `ClientValues`, in the order of `value_wanted`.
        self.columns = [
            column
            for field in fields
            for column in ((field.column, folded_column(field.column)) if field.is_text else (field.column,))
        ]

    # --- In ---
    def add_values(self, rows: Iterable[tuple[int, Mapping[int, Stored | None]]]) -> None:
        """Of each client, what `ValueType.store` gives, by the field's id."""
        marks = ", ".join(["%s"] * (len(self.columns) + 1))
        self._cursor.executemany(
            f"INSERT INTO value_wanted VALUES ({marks})",
            [(client_id, *self.record(stored)) for client_id, stored in rows],
        )

    def record(self, stored: Mapping[int, Stored | None]) -> Iterator[Stored | None]:
        """The values of one client in the order of `columns`."""
        for field in self._fields:
            value = stored.get(field.pk)
            yield value
            if field.is_text:
                yield None if value is None else folded(str(value))

    def add_values_from(self, select: str, parameters: Sequence[Any] = ()) -> None:
        """From tables of the caller's: a SELECT of client_id and of `columns`. Each client is in it once."""
        self._cursor.execute(f"INSERT INTO value_wanted {select}", list(parameters) or None)

    def add_tags(self, rows: Iterable[tuple[int, int, bool]]) -> None:
        """Of each client a tag's id, and whether they are to have it."""
        self._cursor.executemany("INSERT INTO tag_wanted VALUES (%s, %s, %s)", list(rows))

    def add_tags_from(self, select: str, parameters: Sequence[Any] = ()) -> None:
        """From tables of the caller's: a SELECT of client_id, tag_id and is_on. Each pair is in it once."""
        self._cursor.execute(f"INSERT INTO tag_wanted {select}", list(parameters) or None)

    # --- Out ---
    def apply(self, *, origin: ChangeOrigin, now: datetime) -> int:
        """Change what differs; returns for how many clients. Nobody who was erased gets anything.

        Raises `FieldGone`, and then the caller's transaction has to be rolled back.
        """
        self._analyze("value_wanted", "tag_wanted")
        self._lock()
        self._find_values()
        self._find_tags()
        self._analyze("value_changed", "tag_changed")
        self._record(origin, now)
        self._write_values()
        self._write_tags()
        return self._mark_clients(now)

    def _analyze(self, *tables: str) -> None:
        """PostgreSQL would take them for empty, and choose slow nested loops."""
        for table in tables if connection.vendor == "postgresql" else ():
            # Of this column alone, by which all are joined: of all of them it takes as long as writing the values.
            self._cursor.execute(f"ANALYZE {table} (client_id)")

    def _lock(self) -> None:
        """The fields and tags against being deleted; then the clients, in the order of all who lock several."""
        share = "FOR KEY SHARE" if connection.vendor == "postgresql" else ""
        ids = ", ".join(str(int(field.pk)) for field in self._fields) or "NULL"
        self._cursor.execute(f"SELECT id FROM {_FIELD} WHERE id IN ({ids}) AND retired_at IS NULL {share}")
        if len(self._cursor.fetchall()) < len(self._fields):
            raise FieldGone("A field was retired or deleted in the meantime.")
        self._cursor.execute("SELECT DISTINCT tag_id FROM tag_wanted WHERE is_on")
        tags = [int(tag_id) for (tag_id,) in self._cursor.fetchall()]
        self._cursor.execute(f"SELECT id FROM {_TAG} WHERE id IN ({', '.join(map(str, tags)) or 'NULL'}) {share}")
        if len(self._cursor.fetchall()) < len(tags):
            raise FieldGone("A tag was deleted in the meantime.")
        if share:
            self._cursor.execute(
                f"SELECT 1 FROM {_CLIENT} WHERE id IN (SELECT client_id FROM value_wanted UNION SELECT client_id "
                "FROM tag_wanted) ORDER BY id FOR NO KEY UPDATE"
            )
        for table in ("value_wanted", "tag_wanted"):
            self._cursor.execute(
                f"DELETE FROM {table} WHERE NOT EXISTS (SELECT 1 FROM {_CLIENT} c "
                f"WHERE c.id = {table}.client_id AND c.erased_at IS NULL)"
            )

    def _find_values(self) -> None:
        """`value_changed`: of each client whose values differ, what there was (`b_`), and what there is to be."""
        named = [f"v.{one} AS b_{one}, {self._after(one)} AS {one}" for one in self.columns]
        differs = " OR ".join(f"v.{field.column} {_is_not()} {self._after(field.column)}" for field in self._fields)
        self._cursor.execute(
            f"CREATE TEMPORARY TABLE value_changed AS SELECT {', '.join(['w.client_id', *named])} "
            f"FROM value_wanted w LEFT JOIN {_VALUES} v ON v.client_id = w.client_id WHERE {differs or 'false'}"
        )

    def _after(self, column: str) -> str:
        return f"COALESCE(w.{column}, v.{column})" if self._keeps_blank else f"w.{column}"

    def _find_tags(self) -> None:
        has = f"EXISTS (SELECT 1 FROM {_CLIENT_TAG} t WHERE t.client_id = w.client_id AND t.tag_id = w.tag_id)"
        self._cursor.execute(
            f"CREATE TEMPORARY TABLE tag_changed AS SELECT w.client_id, w.tag_id, w.is_on FROM tag_wanted w "
            f"WHERE w.is_on <> {has}"
        )

    def _record(self, origin: ChangeOrigin, now: datetime) -> None:
        """One row a client."""
        self._cursor.execute(
            f"""
            INSERT INTO {_CHANGE} (client_id, at, by_id, reason, changes)
            SELECT ids.client_id, %s, %s, %s, {_json_of_both("v.fields", "t.tags")}
            FROM (SELECT client_id FROM value_changed UNION SELECT client_id FROM tag_changed) ids
            LEFT JOIN (SELECT x.client_id, {self._json_of_values()} AS fields FROM value_changed x) v
                ON v.client_id = ids.client_id
            LEFT JOIN ({_TAGS_ON_RECORD.format(tags=_json_of_tags())}) t ON t.client_id = ids.client_id
            ORDER BY ids.client_id
            """,
            [
                connection.ops.adapt_datetimefield_value(now),
                origin.by.pk if origin.by else None,
                origin.reason[:MAX_REASON_LETTERS],
            ],
        )

    def _json_of_values(self) -> str:
        """{"7": [before, after]} of the fields that differ; the others are NULL, and taken out."""
        pairs, is_postgres = iter(self._fields), connection.vendor == "postgresql"
        array, build = ("jsonb_build_array", "jsonb_build_object") if is_postgres else ("json_array", "json_object")
        objects = []
        while some := list(islice(pairs, MAX_JOINED)):
            each = [self._pair(field, array) for field in some]
            objects.append(f"{build}({', '.join(each)})")
        if is_postgres:
            return f"jsonb_strip_nulls({' || '.join(objects)})" if objects else "NULL::jsonb"
        merged = "'{}'"
        for one in objects:
            # A merge leaves out what is NULL (RFC 7396).
            merged = f"json_patch({merged}, {one})"
        return merged if objects else "NULL"

    def _pair(self, field: ClientField, array: str) -> str:
        before, after = f"x.b_{field.column}", f"x.{field.column}"
        return f"'{field.pk}', CASE WHEN {before} {_is_not()} {after} THEN {array}({before}, {after}) END"

    def _write_values(self) -> None:
        if not self.columns:
            return
        columns = ", ".join(self.columns)
        sets = ", ".join(f"{column} = excluded.{column}" for column in self.columns)
        self._cursor.execute(
            f"INSERT INTO {_VALUES} (client_id, {columns}) SELECT client_id, {columns} FROM value_changed "
            f"WHERE true ORDER BY client_id ON CONFLICT (client_id) DO UPDATE SET {sets}"
        )

    def _write_tags(self) -> None:
        self._cursor.execute(
            f"INSERT INTO {_CLIENT_TAG} (client_id, tag_id) SELECT client_id, tag_id FROM tag_changed WHERE is_on "
            "ORDER BY client_id, tag_id"
        )
        self._cursor.execute(
            f"DELETE FROM {_CLIENT_TAG} WHERE client_id IN (SELECT client_id FROM tag_changed WHERE NOT is_on) "
            "AND (client_id, tag_id) IN (SELECT client_id, tag_id FROM tag_changed WHERE NOT is_on)"
        )

    def _mark_clients(self, now: datetime) -> int:
        changed = "SELECT client_id FROM value_changed UNION SELECT client_id FROM tag_changed"
        moment = connection.ops.adapt_datetimefield_value(now)
        # Whoever was added at this moment has it already: to write each of them again is a third of what values cost.
        self._cursor.execute(
            f"UPDATE {_CLIENT} SET updated_at = %s WHERE id IN ({changed}) AND updated_at <> %s", [moment, moment]
        )
        self._cursor.execute(f"SELECT COUNT(*) FROM ({changed}) c")
        return int(self._cursor.fetchone()[0])


# --- What each engine has its own words for ---------------------------------------------------------------------------
_TAGS_ON_RECORD = f"""
    SELECT x.client_id, {{tags}} AS tags
    FROM (SELECT c.client_id, c.is_on, n.name, n.folded FROM tag_changed c JOIN {_TAG} n ON n.id = c.tag_id
          ORDER BY c.client_id, n.folded) x
    GROUP BY x.client_id
"""


def _is_not() -> str:
    """Differs, where NULL is a value like any other."""
    return "IS DISTINCT FROM" if connection.vendor == "postgresql" else "IS NOT"


def _json_of_tags() -> str:
    if connection.vendor == "postgresql":
        names = "COALESCE(jsonb_agg(x.name ORDER BY x.folded) FILTER (WHERE {}), '[]')"
        return f"jsonb_build_object('added', {names.format('x.is_on')}, 'removed', {names.format('NOT x.is_on')})"
    names = "json_group_array(x.name) FILTER (WHERE {})"
    return f"json_object('added', {names.format('x.is_on')}, 'removed', {names.format('NOT x.is_on')})"


def _json_of_both(fields: str, tags: str) -> str:
    """An object of what there is of both."""
    if connection.vendor == "postgresql":
        return f"jsonb_strip_nulls(jsonb_build_object('fields', {fields}, 'tags', {tags}))"
    return f"json_patch('{{}}', json_object('fields', json({fields}), 'tags', json({tags})))"
