"""The fan-out: making one delivery for each client and channel of a running broadcast, a chunk at a time.

Any number of dispatchers may run; each call is safe to repeat and to kill.
"""

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Exists, F, OuterRef, QuerySet, Value, When
from django.db.models.functions import Coalesce

from notifier.audience import chains
from notifier.models import Broadcast, Channel, Client, Delivery, Preference, Reason, Suppression
from notifier.policies import landlines, quiet_hours_sql, sms_countries
from notifier.runtime import failpoints
from notifier.saved_audiences import compiling, words
from notifier.saved_audiences.compiling import Members

State = Delivery.State
TABLE = Delivery._meta.db_table
_LEASE_TOKEN = Delivery._meta.get_field("lease_token")


def expand(*, broadcast_id: int, now: datetime) -> int | None:
    """Turn the next EXPAND_CHUNK clients of a running broadcast into deliveries.

    The rows, the cursor and the audience change in one transaction, so a kill leaves all of it or nothing. Returns how
    many rows were made; None when there was nothing to expand, or another dispatcher expands it now.
    """
    unexpanded = Broadcast.objects.running().filter(pk=broadcast_id, cursor__lt=F("audience_upto"))
    with transaction.atomic():
        broadcast = unexpanded.select_for_update(skip_locked=True).first()
        if broadcast is None:
            return None
        upper = _upper_id(broadcast)
        # Read with each chunk: what its conditions name may have been deleted, which stops it and is shown as a fault.
        within = compiling.of_broadcast(broadcast, now=now)
        made = sum(_insert(broadcast, channel, upper, now, within) for channel in broadcast.channels)
        failpoints.reached("expand.inserted")
        Broadcast.objects.filter(pk=broadcast.pk, cursor=broadcast.cursor).update(
            cursor=upper, audience=F("audience") + made, **_audience_columns(broadcast, within, upper)
        )
    failpoints.reached("expand.committed")
    if broadcast.audience == 0 and made:
        _refresh_statistics()
    return made


def _audience_columns(broadcast: Broadcast, within: Members | None, upper: int) -> dict[str, Any]:
    """How far it was asked who is in its audience, without which the database refuses the cursor; and with the first
    chunk how its conditions read, by what they name is called now. It may have waited for weeks.
    """
    if within is None:
        return {}
    text = {} if broadcast.cursor else {"audience_text": words.of_document(within.document, within.known)}
    return {"audience_cursor": upper, **text}


def _upper_id(broadcast: Broadcast) -> int:
    """The last client id of the next chunk, chosen first so that the cursor never depends on what is inserted."""
    ids = Client.objects.filter(pk__gt=broadcast.cursor, pk__lte=broadcast.audience_upto).order_by("pk")
    chunk = ids.values_list("pk", flat=True)[settings.EXPAND_CHUNK - 1 : settings.EXPAND_CHUNK]
    return next(iter(chunk), broadcast.audience_upto)


# Makes one row for each consenting client in a range of ids. A row that cannot be sent is SKIPPED from the start, with
# the reason. MATERIALIZED, because otherwise the reason's subquery runs once for each column that depends on it. 10,000
# rows take about 50 ms on SQLite and 200 ms on PostgreSQL.
_INSERT = f"""
    INSERT INTO {TABLE} (broadcast_id, client_id, channel, address, state, detail, due_at, settled_at)
    WITH audience (client_id, address, reason) AS MATERIALIZED ({{select}})
    SELECT %s, client_id, %s, address,
           CASE WHEN reason = '' THEN '{State.PENDING}' ELSE '{State.SKIPPED}' END, reason,
           CASE WHEN reason = '' THEN %s END, CASE WHEN reason <> '' THEN %s END
    FROM audience WHERE true
    ON CONFLICT DO NOTHING
"""  # noqa: S608
# The same while some of them are in quiet hours: their rows are due when these end. Such rows get a token, like those
# that are given back, because rows without one count as travelling in a ticket, and as lost.
_INSERT_IN_QUIET_HOURS = f"""
    INSERT INTO {TABLE} (broadcast_id, client_id, channel, address, state, detail, due_at, settled_at, lease_token)
    WITH audience (client_id, address, reason, opens_at) AS MATERIALIZED ({{select}})
    SELECT %s, client_id, %s, address,
           CASE WHEN reason = '' THEN '{State.PENDING}' ELSE '{State.SKIPPED}' END,
           CASE WHEN reason = '' AND opens_at IS NOT NULL THEN '{quiet_hours_sql.WAITS}' ELSE reason END,
           CASE WHEN reason = '' THEN COALESCE(opens_at, %s) END, CASE WHEN reason <> '' THEN %s END,
           CASE WHEN reason = '' AND opens_at IS NOT NULL THEN %s END
    FROM audience WHERE true
    ON CONFLICT DO NOTHING
"""  # noqa: S608


def _insert(broadcast: Broadcast, channel: Channel, upper: int, now: datetime, within: Members | None) -> int:
    """Insert the deliveries of the clients up to `upper`; returns how many were not there yet."""
    moment = connection.ops.adapt_datetimefield_value(now)
    values: list[Any] = [broadcast.pk, channel.value, moment, moment]
    opens_at = None if broadcast.is_critical else quiet_hours_sql.moment(channel=channel, client="client", now=now)
    if opens_at is None:
        statement, audience = _INSERT, _audience(broadcast, channel, upper, within)
    else:
        statement, audience = _INSERT_IN_QUIET_HOURS, _audience(broadcast, channel, upper, within, opens_at)
        values.append(_LEASE_TOKEN.get_db_prep_save(uuid.uuid4(), connection))
    select, params = audience.query.get_compiler(connection=connection).as_sql()
    with connection.cursor() as cursor:
        cursor.execute(statement.format(select=select), [*params, *values])
        return int(cursor.rowcount)


def _audience(
    broadcast: Broadcast, channel: Channel, upper: int, within: Members | None, *more: Case
) -> QuerySet[Preference, tuple[Any, ...]]:
    """(client id, address, reason not to send or "", …) of each active client of the next chunk who consents.

    With `within` only of those in that audience: whoever is not gets no row, as whoever did not consent.
    """
    address = f"client__{channel.address_field}"
    suppressed = Exists(Suppression.objects.filter(channel=channel, address=OuterRef(address)))
    consents = Preference.objects.filter(
        *compiling.only(within, "client__"),
        topic=broadcast.topic_id,
        client__gt=broadcast.cursor,
        client__lte=upper,
        client__is_active=True,
        **{channel.value: True},
    )
    if broadcast.follows_id:
        allowed = sms_countries.allowed(channel=channel, client="client__")
        passing = landlines.passing(channel=channel, client="client__")
        consents = _missed(consents, broadcast, channel)
        consents = consents.filter(~suppressed, *allowed, *passing, **{f"{address}__isnull": False})
    return consents.values_list(
        "client_id",
        Coalesce(address, Value("")),
        Case(
            When(**{address: None}, then=Value(Reason.no_address(channel))),
            When(suppressed, then=Value(Reason.SUPPRESSED)),
            *(
                When(skipped, then=Value(Reason.LANDLINE))
                for skipped in landlines.skipped(channel=channel, client="client__")
            ),
            default=Value(""),
        ),
        *more,
    )


def _missed(consents: QuerySet[Preference], broadcast: Broadcast, channel: Channel) -> QuerySet[Preference]:
    """Those of these clients whom no broadcast of the chain has reached on this channel, or may yet reach."""
    chain = chains.others(broadcast_id=broadcast.pk, notification_id=broadcast.notification_id)
    return consents.filter(~Exists(chains.reached(broadcast_ids=chain, channel=channel, client=OuterRef("client_id"))))


def _refresh_statistics() -> None:
    """Without statistics, PostgreSQL's plan for the next step is up to 20 times slower: 4,400 rows/s against 83,000."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # A vacuum holds the table's lock for minutes, and brings statistics of its own: nothing waits for it.
            cursor.execute(f"ANALYZE (SKIP_LOCKED) {TABLE}")
