# ruff: noqa: S608 - what is put into SQL as text are names of tables and columns, and numbers
"""The fields and tags of a file's rows, in temporary tables of their own beside those of `staging`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.backends.utils import CursorWrapper

from notifier.clients.imports.rows import Mistake, Parsed
from notifier.clients.imports.value_cells import TagCells, retired_options
from notifier.fields import applying, tags
from notifier.fields.applying import ChangeOrigin
from notifier.fields.definitions import Definition
from notifier.models import ClientTag, ClientValues
from notifier.models.fields import folded_column
from notifier.values.base import FieldKind, Stored
from notifier.values.texts import folded

_VALUES = ClientValues._meta.db_table
_CLIENT_TAG = ClientTag._meta.db_table
_TABLES = ("import_value", "import_tag", "import_altered")
#: What stands in `import_match.mistake`, before the number of the column.
_RETIRED, _TOO_MANY_TAGS = "retired.", "tags"


@dataclass(frozen=True, slots=True)
class ValuePlan:
    """What a row would change in fields and tags."""

    #: By the field's label: what it will be, and what it was, as people read it; None for nothing.
    values: list[tuple[str, str, str | None]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


class StagedValues:
    """`values`: the columns of the file that are fields, by their position; `tag_column`: that of the tags."""

    def __init__(
        self,
        cursor: CursorWrapper,
        values: Mapping[int, Definition],
        tag_column: int | None = None,
        tag_cells: TagCells | None = None,
    ) -> None:
        self._cursor = cursor
        self._definitions = list(values.values())
        self._positions = {definition.id: column for column, definition in values.items()}
        self._tag_column, self._tags = tag_column, tag_cells
        self._columns = [
            column
            for one in self._definitions
            for column in (
                (one.field.column, folded_column(one.field.column)) if one.field.is_text else (one.field.column,)
            )
        ]

    # --- In ---
    def create(self) -> None:
        """Nothing, and none of it costs a query, where the file has no such columns."""
        if not self.has_any:
            return
        self.drop()
        texts = {folded_column(one.field.column) for one in self._definitions if one.field.is_text}
        texts |= {one.field.column for one in self._definitions if one.field.is_text}
        columns = "".join(f", {one} {'varchar(500)' if one in texts else 'bigint'}" for one in self._columns)
        self._cursor.execute(f"CREATE TEMPORARY TABLE import_value (line integer PRIMARY KEY{columns})")
        self._cursor.execute("CREATE TEMPORARY TABLE import_tag (line integer, tag bigint, PRIMARY KEY (line, tag))")
        self._cursor.execute("CREATE TEMPORARY TABLE import_altered (line integer PRIMARY KEY)")

    def drop(self) -> None:
        for table in _TABLES if self.has_any else ():
            self._cursor.execute(f"DROP TABLE IF EXISTS {table}")

    def add(self, rows: Iterable[tuple[int, Parsed]]) -> None:
        if not self.has_any:
            return
        values: list[tuple[Any, ...]] = []
        named: list[tuple[Any, ...]] = []
        for line, parsed in rows:
            if any(value is not None for value in parsed.values):
                values.append((line, *self._record(parsed.values)))
            named += [(line, tag) for tag in parsed.tags]
        self._write("import_value", 1 + len(self._columns), values)
        self._write("import_tag", 2, named)

    def _record(self, stored: Sequence[Stored | None]) -> Iterable[Stored | None]:
        for definition, value in zip(self._definitions, stored, strict=True):
            yield value
            if definition.field.is_text:
                yield None if value is None else folded(str(value))

    def _write(self, table: str, width: int, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        if connection.vendor == "postgresql":
            with self._cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for record in rows:
                    copy.write_row(record)
        else:
            self._cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * width)})", rows)

    # --- What they mean ---
    def match(self) -> None:
        """Find the rows that would change a field or a tag of a client who is there, and those that can't be taken."""
        if not self.has_any:
            return
        self._analyze("import_value", "import_tag")
        self._refuse_retired_options()
        self._refuse_too_many_tags()
        differs = " OR ".join(
            f"(v.{one.field.column} IS NOT NULL AND (b.{one.field.column} IS NULL "
            f"OR b.{one.field.column} <> v.{one.field.column}))"
            for one in self._definitions
        )
        self._cursor.execute(
            f"""
            INSERT INTO import_altered
            SELECT m.line FROM import_match m JOIN import_value v ON v.line = m.line
                LEFT JOIN {_VALUES} b ON b.client_id = m.client_id
            WHERE NOT m.is_new AND m.mistake = '' AND ({differs or "false"})
            UNION SELECT m.line FROM import_match m JOIN import_tag t ON t.line = m.line
            WHERE NOT m.is_new AND m.mistake = '' AND NOT {self._has_tag}
            """
        )
        self._analyze("import_altered")

    @property
    def has_any(self) -> bool:
        """Whether the file has such columns."""
        return bool(self._definitions) or self._tags is not None

    @property
    def _has_tag(self) -> str:
        return f"EXISTS (SELECT 1 FROM {_CLIENT_TAG} b WHERE b.client_id = m.client_id AND b.tag_id = t.tag)"

    def _refuse_retired_options(self) -> None:
        """Of clients who don't have them."""
        for one in self._definitions:
            if not (retired := [option.number for option in retired_options(one)]):
                continue
            column = one.field.column
            if one.field.kind == FieldKind.CHOICES:
                mask = sum(1 << (number - 1) for number in retired)
                condition = f"(v.{column} & {mask} & ~COALESCE(b.{column}, 0)) <> 0"
            else:
                numbers = ", ".join(map(str, retired))
                condition = f"v.{column} IN ({numbers}) AND (b.{column} IS NULL OR b.{column} <> v.{column})"
            self._refuse(
                f"{_RETIRED}{one.id}",
                f"SELECT m.line FROM import_match m JOIN import_value v ON v.line = m.line "
                f"LEFT JOIN {_VALUES} b ON b.client_id = m.client_id WHERE {condition}",
            )

    def _refuse_too_many_tags(self) -> None:
        if self._tags is None:
            return
        has = f"(SELECT COUNT(*) FROM {_CLIENT_TAG} h WHERE h.client_id = m.client_id)"
        self._refuse(
            _TOO_MANY_TAGS,
            f"SELECT m.line FROM import_match m JOIN import_tag t ON t.line = m.line WHERE NOT m.is_new "
            f"AND NOT {self._has_tag} GROUP BY m.line, m.client_id HAVING COUNT(*) + {has} > {tags.MAX_OF_CLIENT}",
        )

    def _refuse(self, mistake: str, lines: str) -> None:
        self._cursor.execute(f"UPDATE import_match SET mistake = '{mistake}' WHERE mistake = '' AND line IN ({lines})")

    @property
    def alters(self) -> str:
        """Condition: the row `m` would change a field or a tag of its client."""
        return "EXISTS (SELECT 1 FROM import_altered a WHERE a.line = m.line)" if self.has_any else "false"

    def mistake_in_words(self, mistake: str) -> Mistake | None:
        """None where it is about anything else."""
        if mistake == _TOO_MANY_TAGS:
            return self._tag_column or 0, f"With these the client would have more than {tags.MAX_OF_CLIENT} tags."
        if not mistake.startswith(_RETIRED):
            return None
        found = next(one for one in self._definitions if f"{_RETIRED}{one.id}" == mistake)
        labels = ", ".join(f"“{option.label}”" for option in retired_options(found))
        return (
            self._positions[found.id],
            f"An option was retired, so it can’t be chosen any more, except by who has it: {labels}.",
        )

    def _analyze(self, *tables: str) -> None:
        for table in tables if connection.vendor == "postgresql" else ():
            self._cursor.execute(f"ANALYZE {table} (line)")

    def version_rows(self) -> list[tuple[Any, ...]]:
        """What `match` found, for the version of a plan."""
        rows: list[tuple[Any, ...]] = []
        if not self.has_any:
            return rows
        for table, order in (("import_altered", "line"), ("import_value", "line"), ("import_tag", "line, tag")):
            self._cursor.execute(f"SELECT * FROM {table} ORDER BY {order}")
            rows += self._cursor.fetchall()
        return [*rows, tuple(self.new_tags())]

    # --- What is shown ---
    def new_tags(self) -> list[str]:
        """The names of tags that there are not yet, of rows that are taken."""
        return [self._tag_name(number) for number in self._new_numbers()]

    def _new_numbers(self) -> list[int]:
        if self._tags is None:
            return []
        self._cursor.execute(
            "SELECT DISTINCT t.tag FROM import_tag t JOIN import_match m ON m.line = t.line "
            "WHERE m.mistake = '' AND t.tag < 0 ORDER BY t.tag DESC"
        )
        return [number for (number,) in self._cursor.fetchall()]

    def _tag_name(self, number: int) -> str:
        return self._tags.names[number] if self._tags else ""

    def planned(self, lines: Sequence[int]) -> dict[int, ValuePlan]:
        """What would change for these rows, by line."""
        found = {line: ValuePlan() for line in lines}
        listed = ", ".join(str(int(line)) for line in lines)
        if not (listed and self.has_any):
            return found
        columns = [one.field.column for one in self._definitions]
        named = "".join(f", v.{one}, b.{one}" for one in columns)
        self._cursor.execute(
            f"SELECT m.line{named} FROM import_match m JOIN import_value v ON v.line = m.line "
            f"LEFT JOIN {_VALUES} b ON b.client_id = m.client_id AND NOT m.is_new "
            f"WHERE m.line IN ({listed}) ORDER BY m.line"
        )
        for line, *both in self._cursor.fetchall():
            for one, after, before in zip(self._definitions, both[::2], both[1::2], strict=True):
                if after is not None and after != before:
                    found[line].values.append((one.label, _shown(one, after) or "", _shown(one, before)))
        self._cursor.execute(
            f"SELECT m.line, t.tag FROM import_match m JOIN import_tag t ON t.line = m.line "
            f"WHERE m.line IN ({listed}) AND (m.is_new OR NOT {self._has_tag}) ORDER BY m.line, t.tag"
        )
        for line, number in self._cursor.fetchall():
            found[line].tags.append(self._tag_name(number))
        return found

    # --- Out ---
    def apply(self, *, by_id: int | None, reason: str, now: datetime) -> None:
        """Give them to the clients, with the record of it, in the caller's transaction.

        Raises `applying.FieldGone`, and `ValidationError` where somebody else has just added so many tags.
        """
        if not self.has_any:
            return
        self._add_tags()
        which = f"m.mistake = '' AND (m.is_new OR {self.alters}) AND m.client_id IS NOT NULL"
        with applying.wanted([one.field for one in self._definitions], keeps_blank=True) as table:
            columns = "".join(f", v.{one}" for one in table.columns)
            table.add_values_from(
                f"SELECT m.client_id{columns} FROM import_match m JOIN import_value v ON v.line = m.line WHERE {which}"
            )
            table.add_tags_from(
                f"SELECT m.client_id, t.tag, true FROM import_match m JOIN import_tag t ON t.line = m.line "
                f"WHERE {which}"
            )
            table.apply(origin=ChangeOrigin(by=User(pk=by_id) if by_id else None, reason=reason), now=now)

    def _add_tags(self) -> None:
        numbers = self._new_numbers()
        there, _ = tags.named(self._tag_name(number) for number in numbers)
        known = {tag.folded: tag for tag in there}
        for number in numbers:
            name = self._tag_name(number)
            tag = known.get(folded(name)) or tags.add(name)
            self._cursor.execute("UPDATE import_tag SET tag = %s WHERE tag = %s", [tag.pk, number])


def _shown(definition: Definition, stored: Stored | None) -> str | None:
    return None if stored is None else definition.type.show(definition.type.load(stored))
