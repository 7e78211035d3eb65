# ruff: noqa: S608 - what is put into SQL as text are names of tables and columns, and numbers
"""A file of clients in temporary tables, where the database finds out what each row means and writes them all at once.

Rows come in chunks, so memory is flat; what they mean is found by joins, so a million rows take one statement and not a
million questions. Temporary tables are the connection's own: nothing of them is seen by others or stays behind.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from types import MappingProxyType

from django.db import connection
from django.db.backends.utils import CursorWrapper

from notifier.clients.imports.columns import ConsentColumn
from notifier.clients.imports.messages import Owner, mistake_in_words
from notifier.clients.imports.rows import ROW, Doubt, Mistake, Parsed
from notifier.clients.imports.staged_values import StagedValues
from notifier.clients.imports.value_cells import TagCells
from notifier.consent import suppressions
from notifier.fields.definitions import Definition
from notifier.models import Channel, Client, ConsentChange, Preference, Suppression
from notifier.runtime import versions

#: Rows in one INSERT.
CHUNK = 2_000
#: Parts of one UNION: SQLite takes 500.
MAX_JOINED = 200

_CLIENT = Client._meta.db_table
_PREFERENCE = Preference._meta.db_table
_CHANGE = ConsentChange._meta.db_table
_SUPPRESSION = Suppression._meta.db_table
_TABLES = ("import_row", "import_match", "import_change", "import_erased")

#: Condition: the row would change a field of its client.
_ALTERS = " OR ".join(
    f"(f.{name} IS NOT NULL AND (c.{name} IS NULL OR c.{name} <> f.{name}))"
    for name in ("name", "first_name", "last_name", "email", "phone", "language", "time_zone")
)


#: Condition: an address of the row is suppressed.
_SUPPRESSED = " OR ".join(
    f"EXISTS (SELECT 1 FROM {table} s WHERE s.channel = '{channel.value}' AND s.address = m.{channel.address_field})"
    for table in (_SUPPRESSION, "import_erased")
    for channel in Channel
)


#: Stands for a wish that can't be read; and for a yes, where another row of the same client has such a wish. Neither
#: changes anything. A yes is 1 and a no is 0.
_UNREADABLE = 2
_MATCHED = "LEFT JOIN import_match m ON m.line = r.line"
#: Condition: the row mixes the addresses of two clients.
_MIXED = "COALESCE(NOT m.is_new AND m.by_phone <> m.client_id, false)"
#: The rows of one client, as far as a file tells.
_OF_ONE_CLIENT = ("email", "phone", "owner")


def _first_line(of: str) -> str:
    """The first line that is taken for this address or client."""
    return (
        f"CASE WHEN {of} IS NULL THEN line ELSE MIN(line) FILTER (WHERE mistakes IS NULL) OVER (PARTITION BY {of}) END"
    )


def _wish(number: int) -> str:
    """What the row says of a consent, unless another row of the same client says otherwise, even one that is not taken.

    A no wins over a yes, and so does what can't be read, which may be a no: then nothing is changed.
    """

    def any_row(says: str) -> str:
        found = (f"({of} IS NOT NULL AND {says.format(of)})" for of in _OF_ONE_CLIENT)
        return f"({' OR '.join(found)})"

    no = any_row(f"MIN(w{number}) OVER (PARTITION BY {{}}) = 0")
    unreadable = any_row(f"MAX(w{number}) OVER (PARTITION BY {{}}) = {_UNREADABLE}")
    return f"CASE WHEN {no} THEN 0 WHEN w{number} = 1 AND {unreadable} THEN {_UNREADABLE} ELSE w{number} END"


#: What is said first of a row with an opt-out that could not be applied, and last of one whose opt-out was.
_LOST: list[Mistake] = [
    (
        ROW,
        "An opt-out that can’t be applied, because it is not clear whose it is. Correct the row and import it again, "
        "or turn the consent off on the client’s page.",
    )
]
_HEARD: list[Mistake] = [(ROW, "The opt-out in this row is still applied.")]


@contextmanager
def staging(
    consents: Sequence[ConsentColumn],
    *,
    values: Mapping[int, Definition] = MappingProxyType({}),
    tag_column: int | None = None,
    tag_cells: TagCells | None = None,
) -> Iterator["Staging"]:
    """Temporary tables for one file, dropped at the end. `values`: the columns of fields that staff defined."""
    with connection.cursor() as cursor:
        _drop(cursor)
        columns = "".join(f", w{number} smallint" for number, _ in enumerate(consents))
        cursor.execute(
            "CREATE TEMPORARY TABLE import_row (line integer PRIMARY KEY, name varchar(200), email varchar(254), "
            "phone varchar(128), language varchar(12), time_zone varchar(64), mistakes text, "
            "part_of_name varchar(200), landline smallint, doubt smallint, first_name varchar(200), "
            "last_name varchar(200)"
            f"{columns})"
        )
        staged = StagedValues(cursor, values, tag_column, tag_cells)
        try:
            staged.create()
            yield Staging(cursor, consents, staged)
        finally:
            _drop(cursor)
            staged.drop()


def _drop(cursor: CursorWrapper) -> None:
    for table in _TABLES:
        cursor.execute(f"DROP TABLE IF EXISTS {table}")


class Staging:
    def __init__(self, cursor: CursorWrapper, consents: Sequence[ConsentColumn], values: StagedValues) -> None:
        self.cursor = cursor
        self.consents = consents
        self.values = values
        self._width = 12 + len(consents)

    # --- In ---
    def add(self, rows: Iterator[tuple[int, Parsed]]) -> Iterator[int]:
        """Adds the rows in chunks; yields the number so far after each."""
        number = 0
        while chunk := list(islice(rows, CHUNK)):
            self._write([self._as_record(line, parsed) for line, parsed in chunk])
            self.values.add(chunk)
            number += len(chunk)
            yield number

    def _as_record(self, line: int, parsed: Parsed) -> tuple[int | str | None, ...]:
        mistakes = json.dumps(parsed.mistakes) if parsed.mistakes else None
        said = parsed.consents
        unread = parsed.unreadable
        wishes = [_UNREADABLE if one in unread else int(said[one]) if one in said else None for one in self.consents]
        fields = (parsed.name, parsed.email, parsed.phone, parsed.language, parsed.time_zone, mistakes)
        rest = (parsed.part_of_name, int(parsed.is_landline), int(parsed.doubt), parsed.first_name, parsed.last_name)
        return (line, *fields, *rest, *wishes)

    def _write(self, chunk: list[tuple[int | str | None, ...]]) -> None:
        if connection.vendor == "postgresql":
            with self.cursor.copy("COPY import_row FROM STDIN") as copy:
                for record in chunk:
                    copy.write_row(record)
        else:
            marks = ", ".join(["%s"] * self._width)
            self.cursor.executemany(f"INSERT INTO import_row VALUES ({marks})", chunk)

    def lock(self) -> None:
        """Locks these clients and their consent until the transaction ends. SQLite has only one writer."""
        if connection.features.has_select_for_update:
            for table, key, strength in ((_CLIENT, "id", "NO KEY UPDATE"), (_PREFERENCE, "client_id", "UPDATE")):
                self.cursor.execute(
                    f"SELECT 1 FROM {table} WHERE {key} IN (SELECT client_id FROM import_match WHERE NOT is_new) "
                    f"ORDER BY id FOR {strength}"
                )

    # --- What the rows mean ---
    def match(self, *, reserves: bool = False) -> None:
        """Find whose each row is, and which of them can't be taken. `reserves`: new clients get their ids, if they can.

        SQLite gives them only with the rows themselves. A row with a cell that can't be taken is here where its client
        is known: a *no* in it is theirs (`compare`).
        """
        self._analyze("import_row")
        # Subqueries use the indexes row by row: with a join PostgreSQL reads a million clients for a short file.
        can = reserves and connection.vendor == "postgresql"
        fresh = f"nextval(pg_get_serial_sequence('{_CLIENT}', 'id'))" if can else "NULL"
        wishes = "".join(f", w{number}" for number, _ in enumerate(self.consents))
        refusals = "".join(f", {_wish(number)} AS w{number}" for number, _ in enumerate(self.consents))
        self.cursor.execute(
            f"""
            CREATE TEMPORARY TABLE import_match AS
            WITH found AS MATERIALIZED (
                SELECT r.*, (SELECT e.id FROM {_CLIENT} e WHERE e.email = r.email) AS by_email,
                    (SELECT p.id FROM {_CLIENT} p WHERE p.phone = r.phone) AS by_phone
                FROM import_row r
            ), owned AS (
                SELECT found.*, COALESCE(by_email, by_phone) AS owner FROM found
            ), f AS (
                SELECT line, email, phone, language, time_zone, mistakes, landline, by_email, by_phone, owner,
                    COALESCE(name, CASE WHEN owner IS NULL THEN part_of_name END) AS name,
                    CASE WHEN name IS NOT NULL OR owner IS NULL THEN first_name END AS first_name,
                    CASE WHEN name IS NOT NULL OR owner IS NULL THEN last_name END AS last_name,
                    {_first_line("email")} AS email_line,
                    {_first_line("phone")} AS phone_line,
                    {_first_line("owner")} AS owner_line{refusals}
                FROM owned
            )
            SELECT f.line, f.name, f.first_name, f.last_name, f.email, f.phone, f.language, f.time_zone,
                COALESCE(f.owner, {fresh}) AS client_id, f.by_phone,
                f.owner IS NULL AS is_new,
                f.owner IS NOT NULL AND ({_ALTERS}) AS alters, COALESCE(NOT c.is_active, false) AS is_archived,
                f.email_line, f.phone_line, f.owner_line, f.landline,
                CASE WHEN f.mistakes IS NOT NULL THEN 'cells'
                    WHEN f.by_email <> f.by_phone THEN 'owners'
                    WHEN f.email_line < f.line THEN 'email'
                    WHEN f.phone_line < f.line THEN 'phone'
                    WHEN f.owner_line < f.line THEN 'client'
                    WHEN f.owner IS NULL AND f.name IS NULL THEN 'nameless'
                    ELSE '' END AS mistake{wishes}
            FROM f LEFT JOIN {_CLIENT} c ON c.id = f.owner
            WHERE f.mistakes IS NULL OR f.owner IS NOT NULL
            """
        )
        self.cursor.execute("CREATE INDEX import_match_client ON import_match (client_id)")
        self._analyze("import_match")
        self.values.match()
        self._find_erased_suppressions()

    def _find_erased_suppressions(self) -> None:
        """Finds addresses that are suppressed only as a digest, because their client was erased."""
        self.cursor.execute(
            "CREATE TEMPORARY TABLE import_erased (channel varchar(10), address varchar(254), "
            "PRIMARY KEY (channel, address))"
        )
        if not suppressions.any_erased():
            return
        self.cursor.execute("CREATE INDEX import_match_line ON import_match (line)")
        for channel in Channel:
            found = suppressions.suppressed_as_digest(channel, self._addresses(channel))
            erased = [(channel.value, address) for address in set(found.values())]
            self.cursor.executemany("INSERT INTO import_erased VALUES (%s, %s)", erased)

    def _addresses(self, channel: Channel) -> Iterator[str]:
        """The addresses of the rows that are taken, read a few thousand at a time."""
        column, line = channel.address_field, -1
        while True:
            self.cursor.execute(
                f"SELECT line, {column} FROM import_match "
                f"WHERE line > %s AND mistake = '' AND {column} IS NOT NULL ORDER BY line LIMIT {CHUNK}",
                [line],
            )
            if not (rows := self.cursor.fetchall()):
                return
            yield from (address for _, address in rows)
            line = rows[-1][0]

    def erased_suppressions(self) -> Mapping[Channel, list[str]]:
        """The addresses that `match` found suppressed only as a digest."""
        self.cursor.execute("SELECT channel, address FROM import_erased ORDER BY channel, address")
        rows = self.cursor.fetchall()
        return {channel: [address for kind, address in rows if kind == channel] for channel in Channel}

    def compare(self, *, resubscribes: bool) -> None:
        """Find every consent that would change, and which of them stay off because the client had opted out.

        Off now and on record means opted out: a first entry says yes. An empty preference is what stays of one from
        before there was a record. And whoever stopped everything refused what they were never asked about, too.
        """
        self.cursor.execute(
            "CREATE TEMPORARY TABLE import_change (line integer, client_id bigint, is_new boolean, topic_id bigint, "
            "channel varchar(10), agreed boolean, opted_out boolean, kept_out boolean)"
        )
        for number, consent in enumerate(self.consents):
            about = f"{consent.topic} AS topic_id, '{consent.channel}' AS channel, m.w{number} = 1 AS agreed"
            self.cursor.execute(
                f"INSERT INTO import_change SELECT m.line, m.client_id, true, {about}, false, false "
                f"FROM import_match m WHERE m.is_new AND m.mistake = '' AND m.w{number} = 1"
            )
            recorded = f"SELECT 1 FROM {_CHANGE} h WHERE h.client_id = m.client_id AND h.topic_id = {consent.topic}"
            self.cursor.execute(
                f"""
                INSERT INTO import_change SELECT n.*, n.opted_out AND %s FROM (
                    SELECT m.line, m.client_id, false, {about}, m.w{number} = 1 AND (
                        EXISTS ({recorded} AND h.channel = '{consent.channel}')
                        OR (p.id IS NOT NULL AND NOT p.email AND NOT p.sms AND NOT EXISTS ({recorded}))
                        OR EXISTS (SELECT 1 FROM {_CLIENT} c WHERE c.id = m.client_id AND c.stopped_at IS NOT NULL)
                    ) AS opted_out
                    FROM import_match m
                    LEFT JOIN {_PREFERENCE} p ON p.client_id = m.client_id AND p.topic_id = {consent.topic}
                    WHERE NOT m.is_new AND m.mistake = '' AND m.w{number} <> {_UNREADABLE}
                        AND (m.w{number} = 1) <> COALESCE(p.{consent.channel}, false)
                ) n
                """,
                [not resubscribes],
            )
        self._add_withdrawals()
        self.cursor.execute("CREATE INDEX import_change_line ON import_change (line)")
        self._analyze("import_change")

    def _add_withdrawals(self) -> None:
        """Every *no* of a row that can't be taken is heard all the same, where it is clear whose it is.

        Another row of the same client that is taken has it already (`_wish`).
        """
        found = [
            f"""
            SELECT MIN(m.line), m.client_id, false, {consent.topic}, '{consent.channel}', false, false, false
            FROM import_match m JOIN import_row r ON r.line = m.line
                JOIN {_PREFERENCE} p ON p.client_id = m.client_id AND p.topic_id = {consent.topic}
            WHERE m.mistake <> '' AND NOT m.is_new AND r.w{number} = 0 AND p.{consent.channel}
                AND r.doubt <> {Doubt.CELLS} AND NOT {_MIXED}
                AND NOT EXISTS (
                    SELECT 1 FROM import_match t WHERE t.client_id = m.client_id AND t.mistake = '' AND NOT t.is_new
                )
            GROUP BY m.client_id
            """
            for number, consent in enumerate(self.consents)
        ]
        for start in range(0, len(found), MAX_JOINED):
            joined = " UNION ALL ".join(found[start : start + MAX_JOINED])
            self.cursor.execute(f"INSERT INTO import_change {joined}")

    def _says_no(self) -> str:
        """Condition: the row itself takes a consent back."""
        return " OR ".join(f"r.w{number} = 0" for number, _ in enumerate(self.consents)) or "false"

    def _lost(self) -> str:
        """Condition: a row that can't be taken says *no*, and it is not clear to what or whose it is."""
        whose = f"(r.doubt = {Doubt.ADDRESS} AND m.line IS NULL)"
        return f"(({self._says_no()}) AND (r.doubt = {Doubt.CELLS} OR {whose} OR {_MIXED}))"

    def _analyze(self, table: str) -> None:
        """Updates the statistics: PostgreSQL would take the table for empty, and choose slow nested loops."""
        if connection.vendor == "postgresql":
            self.cursor.execute(f"ANALYZE {table}")

    # --- What came of it ---
    def counts(self) -> dict[str, int]:
        moved = (
            f"(m.alters OR {self.values.alters} "
            "OR EXISTS (SELECT 1 FROM import_change x WHERE x.line = m.line AND NOT x.kept_out))"
        )
        good = {
            "added": "m.is_new",
            "changed": f"NOT m.is_new AND {moved}",
            "unchanged": f"NOT m.is_new AND NOT {moved}",
            "archived": "m.is_archived",
            "suppressed": _SUPPRESSED,
            "landlines": "m.landline = 1",
            "unclear": " OR ".join(f"m.w{number} = {_UNREADABLE}" for number, _ in enumerate(self.consents)) or "false",
        }
        others = {
            "rows": "COUNT(*) FROM import_row",
            "taken": "COUNT(*) FROM import_match WHERE mistake = ''",
            "kept_out": "COUNT(DISTINCT line) FROM import_change WHERE kept_out",
            "resubscribed": "COUNT(DISTINCT line) FROM import_change WHERE opted_out AND NOT kept_out",
            # Clients whose opt-out is in a row that is not taken; and such rows whose opt-out is nobody's.
            "withdrawn": "COUNT(DISTINCT x.client_id) FROM import_change x JOIN import_match m ON m.line = x.line "
            "WHERE m.mistake <> ''",
            "lost": f"COUNT(*) FROM import_row r {_MATCHED} WHERE {self._lost()}",
        }
        counts = self._counted(others.keys(), ", ".join(f"(SELECT {each})" for each in others.values()))
        counts["failed"] = counts["rows"] - counts.pop("taken")
        filters = ", ".join(f"COUNT(*) FILTER (WHERE {which})" for which in good.values())
        return counts | self._counted(good.keys(), f"{filters} FROM import_match m WHERE m.mistake = ''")

    def adds_consent(self) -> bool:
        """Whether somebody would agree to something from now on, besides those who had opted out."""
        self.cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM import_change WHERE agreed AND NOT kept_out AND NOT opted_out)"
        )
        return bool(self.cursor.fetchone()[0])

    def _counted(self, names: Iterable[str], what: str) -> dict[str, int]:
        self.cursor.execute(f"SELECT {what}")
        return dict(zip(names, self.cursor.fetchone(), strict=True))

    def mistakes(self, columns: dict[str, int], *, lost: bool) -> Iterator[tuple[int, list[Mistake], list[Owner]]]:
        """The lines that are not taken, in order, each with its mistakes and the clients whose addresses it mixes.

        `columns`: the position of each field. `lost`: those with an opt-out that could not be applied, or the others.
        """
        last = -1
        while rows := self._refused_after(last, lost=lost):
            for line, mistakes, mistake, pk, name, other_pk, other_name, *lines, is_heard in rows:
                owners = [Owner(pk, name), Owner(other_pk, other_name)] if mistake == "owners" else []
                if mistakes:
                    found = _read_mistakes(mistakes)
                else:
                    one = self.values.mistake_in_words(mistake)
                    found = [one or mistake_in_words(mistake, owners, lines, columns)]
                yield line, [*_LOST[:lost], *found, *_HEARD[:is_heard]], owners
            last = rows[-1][0]

    def _refused_after(self, line: int, *, lost: bool) -> list[tuple]:
        self.cursor.execute(
            "SELECT r.line, r.mistakes, m.mistake, m.client_id, a.name, m.by_phone, b.name, m.email_line, "
            f"m.phone_line, m.owner_line, ({self._says_no()}) AND NOT {_MIXED} AND EXISTS (SELECT 1 FROM import_change "
            f"x WHERE x.client_id = m.client_id AND NOT x.agreed AND NOT x.is_new) FROM import_row r {_MATCHED} "
            f"LEFT JOIN {_CLIENT} a ON a.id = m.client_id AND m.mistake = 'owners' "
            f"LEFT JOIN {_CLIENT} b ON b.id = m.by_phone AND m.mistake = 'owners' "
            f"WHERE r.line > %s AND (r.mistakes IS NOT NULL OR m.mistake <> '') AND {'' if lost else 'NOT '}"
            f"COALESCE({self._lost()}, false) ORDER BY r.line LIMIT %s",
            [line, CHUNK],
        )
        rows: list[tuple] = self.cursor.fetchall()
        return rows

    def version(self) -> str:
        """Of what `match` and `compare` found: whose each row is, what it would change, and what stays off."""
        self.cursor.execute(
            "SELECT line, is_new, CASE WHEN is_new THEN NULL ELSE client_id END, alters, is_archived, mistake, name, "
            "first_name, last_name, email, phone, language, time_zone FROM import_match ORDER BY line"
        )
        rows = self.cursor.fetchall()
        self.cursor.execute(
            "SELECT line, topic_id, channel, agreed, opted_out, kept_out FROM import_change "
            "ORDER BY line, topic_id, channel"
        )
        return versions.digest(map(repr, [*rows, *self.cursor.fetchall(), *self.values.version_rows()]))

    def forget_comparison(self) -> None:
        """So that `compare` may be called again."""
        self.cursor.execute("DROP TABLE import_change")

    def first(self, number: int) -> list[tuple]:
        """The first rows that are taken: line, is_new, alters, is_archived, name, email, phone, is_suppressed,
        is_landline.
        """
        self.cursor.execute(
            "SELECT m.line, m.is_new, m.alters, m.is_archived, COALESCE(m.name, c.name), COALESCE(m.email, c.email), "
            f"COALESCE(m.phone, c.phone), ({_SUPPRESSED}), "
            "CASE WHEN m.phone IS NULL THEN COALESCE(c.phone LIKE '%%' || c.landline_ending, false) "
            "ELSE m.landline = 1 END "
            f"FROM import_match m LEFT JOIN {_CLIENT} c ON c.id = m.client_id "
            "WHERE m.mistake = '' ORDER BY m.line LIMIT %s",
            [number],
        )
        rows: list[tuple] = self.cursor.fetchall()
        return rows

    def changes(self, lines: Sequence[int]) -> list[tuple]:
        """What would change for these rows: line, topic, channel, agreed, kept_out."""
        marks = ", ".join(["%s"] * len(lines)) or "NULL"
        self.cursor.execute(
            "SELECT line, topic_id, channel, agreed, kept_out FROM import_change "
            f"WHERE line IN ({marks}) ORDER BY line, topic_id, channel",
            list(lines),
        )
        rows: list[tuple] = self.cursor.fetchall()
        return rows

    def unclear(self, lines: Sequence[int]) -> list[tuple[int, ConsentColumn]]:
        """What of these rows is left out, since another row of the same client says something that can't be read."""
        marks = ", ".join(["%s"] * len(lines)) or "NULL"
        found: list[tuple[int, ConsentColumn]] = []
        for number, consent in enumerate(self.consents):
            self.cursor.execute(
                f"SELECT line FROM import_match WHERE w{number} = {_UNREADABLE} AND line IN ({marks}) ORDER BY line",
                list(lines),
            )
            found += [(line, consent) for (line,) in self.cursor.fetchall()]
        return found


def _read_mistakes(text: str) -> list[Mistake]:
    return [(column, message) for column, message in json.loads(text)]
