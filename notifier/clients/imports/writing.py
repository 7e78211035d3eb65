# ruff: noqa: S608 - what is put into SQL as text are names of tables and columns, and numbers
"""Writes the staged rows to the clients, their history and their consent: each step is one statement for all rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection

from notifier.addresses.phones import LANDLINE_DIGITS
from notifier.clients.imports.staging import Staging
from notifier.consent import suppressions
from notifier.models import Client, ConsentChange, Preference

_CLIENT = Client._meta.db_table
_HISTORY = Client.history.model._meta.db_table
_PREFERENCE = Preference._meta.db_table
_CHANGE = ConsentChange._meta.db_table

#: As `Phone.landline_ending`, of a row of `import_match`.
_LANDLINE_ENDING = f"CASE WHEN landline = 1 THEN SUBSTR({{0}}, LENGTH({{0}}) - {LANDLINE_DIGITS - 1}) END"
#: A full name alone takes the parts from a client who has another; of one who has the same it says nothing new.
_PART = (
    f"CASE WHEN m.{{0}} IS NOT NULL THEN m.{{0}} WHEN m.name IS NULL OR m.name = {_CLIENT}.name THEN {_CLIENT}.{{0}} "
    "ELSE '' END"
)

MAX_REASON_LETTERS = 100
MAX_DETAIL_LETTERS = 300


class EvidenceMissing(Exception):
    """It would add a consent, and nobody said how we know of it."""


class ClientsChanged(Exception):
    """Somebody changed one of these clients in the same moment: nothing was written, and it may be tried again."""


@dataclass(frozen=True, slots=True)
class ImportOrigin:
    """Where an import comes from. It is kept with each change, as evidence."""

    file_name: str
    source: ConsentChange.Source
    #: The user's id.
    by: int | None = None
    #: Why those who had opted out are subscribed again; empty: they are not.
    reason: str = ""
    #: How we know that the others agreed to what they agree to from now on.
    evidence: str = ""

    @property
    def history_reason(self) -> str:
        """What is kept with each version of a client."""
        return f"Import of {self.file_name}"[:MAX_REASON_LETTERS]

    def detail(self, words: str) -> str:
        """What is kept with a change of consent."""
        return (f"{self.file_name}: {words}" if words else self.file_name)[:MAX_DETAIL_LETTERS]


def write(staging: Staging, *, origin: ImportOrigin, now: datetime) -> None:
    """Write everything that `staging` found, in the caller's transaction."""
    writer = _Writer(staging, origin, now)
    staging.lock()
    writer.check()
    writer.add_clients()
    writer.change_clients()
    writer.set_values(now)
    writer.restore_plaintext()
    staging.compare(resubscribes=bool(origin.reason))
    writer.add_preferences()
    writer.change_preferences()
    writer.record_consent()


class _Writer:
    def __init__(self, staging: Staging, origin: ImportOrigin, now: datetime) -> None:
        self._staging = staging
        self._origin = origin
        # In the ORM's format: SQLite would otherwise compare two formats of text.
        self._moment = connection.ops.adapt_datetimefield_value(now)

    def _run(self, statement: str, *parameters: Any) -> None:
        self._staging.cursor.execute(statement, parameters)

    def check(self) -> None:
        """Raises `ClientsChanged` where a client was erased or got another address between the match and the lock."""
        self._staging.cursor.execute(
            f"SELECT COUNT(*) FROM import_match m LEFT JOIN {_CLIENT} c ON c.id = m.client_id "
            "WHERE NOT m.is_new AND (c.id IS NULL OR c.erased_at IS NOT NULL "
            "OR NOT (COALESCE(c.email = m.email, false) OR COALESCE(c.phone = m.phone, false)))"
        )
        if self._staging.cursor.fetchone()[0]:
            raise ClientsChanged

    def add_clients(self) -> None:
        self._run(
            f"INSERT INTO {_CLIENT} (id, name, first_name, last_name, email, phone, landline_ending, language, "
            "time_zone, is_active, created_at, updated_at) "
            "SELECT client_id, name, COALESCE(first_name, ''), COALESCE(last_name, ''), email, phone, "
            f"{_LANDLINE_ENDING.format('phone')}, language, COALESCE(time_zone, ''), true, %s, %s FROM import_match "
            "WHERE is_new AND mistake = '' ORDER BY line",
            self._moment,
            self._moment,
        )
        # SQLite chose the ids. Each of these addresses is new and in one row only, so it identifies the client.
        self._run(
            f"UPDATE import_match SET client_id = (SELECT c.id FROM {_CLIENT} c WHERE c.email = import_match.email "
            f"UNION ALL SELECT c.id FROM {_CLIENT} c WHERE import_match.email IS NULL AND c.phone = import_match.phone)"
            " WHERE is_new AND mistake = '' AND client_id IS NULL"
        )
        self._record("+", "m.is_new")

    def change_clients(self) -> None:
        self._run(
            f"UPDATE {_CLIENT} SET name = COALESCE(m.name, {_CLIENT}.name), "
            f"first_name = {_PART.format('first_name')}, last_name = {_PART.format('last_name')}, "
            f"email = COALESCE(m.email, {_CLIENT}.email), phone = COALESCE(m.phone, {_CLIENT}.phone), "
            f"landline_ending = CASE WHEN m.phone IS NULL THEN {_CLIENT}.landline_ending "
            f"ELSE {_LANDLINE_ENDING.format('m.phone')} END, "
            f"language = COALESCE(m.language, {_CLIENT}.language), "
            f"time_zone = COALESCE(m.time_zone, {_CLIENT}.time_zone), updated_at = %s "
            f"FROM import_match m WHERE m.client_id = {_CLIENT}.id AND m.alters AND m.mistake = ''",
            self._moment,
        )
        self._record("~", "m.alters")

    def set_values(self, now: datetime) -> None:
        """Fields and tags, with a record of their own."""
        try:
            self._staging.values.apply(by_id=self._origin.by, reason=self._origin.history_reason, now=now)
        except ValidationError as error:
            # Somebody else has added tags in the same moment.
            raise ClientsChanged from error

    def restore_plaintext(self) -> None:
        """An erased address that is suppressed stays suppressed for its new client."""
        for channel, addresses in self._staging.erased_suppressions().items():
            suppressions.restore_plaintext(channel=channel, addresses=addresses)

    def _record(self, kind: str, which: str) -> None:
        self._run(
            f"INSERT INTO {_HISTORY} (id, name, first_name, last_name, email, phone, language, time_zone, is_active, "
            "created_at, erased_at, history_date, history_change_reason, history_type, history_user_id) "
            "SELECT c.id, c.name, c.first_name, c.last_name, c.email, c.phone, c.language, c.time_zone, c.is_active, "
            "c.created_at, c.erased_at, %s, %s, %s, %s "
            f"FROM import_match m JOIN {_CLIENT} c ON c.id = m.client_id "
            f"WHERE m.mistake = '' AND {which} ORDER BY m.line",
            self._moment,
            self._origin.history_reason,
            kind,
            self._origin.by,
        )

    def add_preferences(self) -> None:
        """Adds rows for clients who agree to a topic and have no row; existing rows are changed by the next step."""
        consents = self._staging.consents
        for topic in sorted({consent.topic for consent in consents}):
            wishes = {consent.channel: f"w{n} = 1" for n, consent in enumerate(consents) if consent.topic == topic}
            email, sms = (f"COALESCE({wishes[one]}, false)" if one in wishes else "false" for one in ("email", "sms"))
            self._run(
                f"INSERT INTO {_PREFERENCE} (client_id, topic_id, email, sms) "
                f"SELECT client_id, {topic}, {email}, {sms} FROM import_match "
                f"WHERE is_new AND mistake = '' AND ({email} OR {sms}) ORDER BY client_id"
            )
        self._run(
            f"INSERT INTO {_PREFERENCE} (client_id, topic_id, email, sms) "
            "SELECT DISTINCT client_id, topic_id, false, false FROM import_change "
            "WHERE agreed AND NOT is_new AND NOT kept_out ON CONFLICT (client_id, topic_id) DO NOTHING"
        )

    def change_preferences(self) -> None:
        for consent in self._staging.consents:
            self._run(
                f"UPDATE {_PREFERENCE} SET {consent.channel} = x.agreed FROM import_change x "
                f"WHERE x.client_id = {_PREFERENCE}.client_id AND {_PREFERENCE}.topic_id = {consent.topic} "
                f"AND x.topic_id = {consent.topic} AND x.channel = '{consent.channel}' "
                "AND NOT x.kept_out AND NOT x.is_new"
            )

    def record_consent(self) -> None:
        origin = self._origin
        self._run(
            f"INSERT INTO {_CHANGE} (client_id, topic_id, channel, agreed, at, source, by_id, detail) "
            "SELECT client_id, topic_id, channel, agreed, %s, %s, %s, "
            "CASE WHEN opted_out THEN %s WHEN agreed THEN %s ELSE %s END "
            "FROM import_change WHERE NOT kept_out ORDER BY client_id",
            self._moment,
            origin.source,
            origin.by,
            origin.detail(origin.reason),
            origin.detail(origin.evidence),
            origin.detail(""),
        )
