"""A back office of any size, built by set-based SQL: PostgreSQL only. Nothing in it comes from chance."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model

from notifier.clients import counts
from notifier.clients.imports import uploads
from notifier.delivery import daily_stats, tallies
from notifier.models import Broadcast, ClientImport, Delivery, Notification, Topic
from notifier.runtime import clock
from tests.support.datasets.one_of_each import MAKE, an_import
from tests.support.factories import a_broadcast, a_notification

#: A tenth of the clients each. The last stands last in the order of names, where a list comes to it after all others.
NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gwen", "Hugo", "Ida", "Åsa")
#: Of a hundred deliveries; the rest are sent.
FAILED, UNKNOWN, SKIPPED = 2, 1, 5
#: Tables whose indexes are made after the load.
LARGE = ("client", "preference", "consentchange", "historicalclient", "delivery")


@dataclass(frozen=True, slots=True)
class Sizes:
    clients: int
    deliveries: int
    broadcasts: int

    @property
    def share(self) -> int:
        """Deliveries of one broadcast: to so many clients, each by one channel."""
        return min(self.clients, self.deliveries // self.broadcasts)


def build(sizes: Sizes) -> User:
    """Returns a superuser."""
    now = clock.now()
    user = User.objects.create_superuser("bench", password="bench")
    topics = list(Topic.objects.order_by("pk")[:2])
    with _in_bulk():
        _clients(sizes, topics, user, now)
        for number in range(sizes.broadcasts):
            broadcast = _broadcast(number, topics[number % len(topics)], sizes, user, now)
            _deliveries(broadcast, number, sizes, now)
    _decisions(user, now)
    _what_waits(user, now, rows=min(sizes.clients, uploads.MAX_ROWS))
    _execute("VACUUM ANALYZE")
    for broadcast in Broadcast.objects.order_by("pk"):
        tallies.tally(broadcast_id=broadcast.pk, now=now)
        daily_stats.count(broadcast_id=broadcast.pk, now=now)
    counts.count(now=now)
    for name, make in MAKE.items():
        if not _model(name)._default_manager.exists():
            make()
    _execute("VACUUM ANALYZE")
    return user


def rows() -> dict[str, Any]:
    """The keys of rows by name: of each model the oldest and the newest, and of some in a certain state."""
    keys: dict[str, Any] = {}
    for name in MAKE:
        found = _model(name)._default_manager.order_by("pk").values_list("pk", flat=True)
        model = name.partition("_")[2]
        keys |= {model: found.first(), f"newest_{model}": found.last()}
    states = {"broadcast": "RUNNING", "scheduled": "SCHEDULED", "awaiting": "AWAITING_APPROVAL"}
    for name, state in states.items():
        keys[name] = Broadcast.objects.filter(state=state).latest("pk").pk
    first_five = Notification.objects.order_by("pk").values_list("pk", flat=True)[:5]
    return keys | {
        "finished": Broadcast.objects.filter(state="FINISHED").earliest("pk").pk,
        "failed": Delivery.objects.filter(state="FAILED").order_by("pk").values_list("pk", flat=True)[0],
        "unknown": Delivery.objects.filter(state="UNKNOWN").order_by("pk").values_list("pk", flat=True)[0],
        "upload": ClientImport.objects.filter(state="UPLOADED").latest("pk").pk,
        "version": Notification.history.filter(id=keys["notification"]).earliest().pk,
        "spare_notification": keys["newest_notification"],
        "five_notifications": ",".join(map(str, first_five)),
    }


def _model(name: str) -> type[Model]:
    app, _, model = name.partition("_")
    return apps.get_model(app, model)


@contextmanager
def _in_bulk() -> Iterator[None]:
    """Foreign keys are not looked up row by row, and indexes are made once: a third of the time."""
    rows = _execute(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indrelid LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid "
        "WHERE c.relname = ANY(%s) AND k.oid IS NULL",
        [f"notifier_{table}" for table in LARGE],
    )
    for name, _ in rows:
        _execute(f"DROP INDEX {name}")
    _execute("SET session_replication_role = replica")
    yield
    _execute("SET session_replication_role = DEFAULT; SET maintenance_work_mem = '512MB'")
    for _, definition in rows:
        _execute(definition.replace("%", "%%"))


def _clients(sizes: Sizes, topics: list[Topic], user: User, now: datetime) -> None:
    """One in twenty has no e-mail address, one in five no phone, one in forty is archived."""
    names = ", ".join(f"'{name}'" for name in NAMES)
    _execute(
        f"""
        INSERT INTO notifier_client (name, email, phone, is_active, created_at, updated_at)
        SELECT (ARRAY[{names}])[1 + i %% {len(NAMES)}] || ' Example ' || i,
               CASE WHEN i %% 20 <> 0 THEN 'client' || i || '@example.com' END,
               CASE WHEN i %% 5 <> 1 THEN '+999' || lpad(i::text, 9, '0') END,
               i %% 40 <> 7, %s::timestamptz - i * interval '1 second', %s
        FROM generate_series(1, %s) i
        """,
        now,
        now,
        sizes.clients,
    )
    for topic in topics:
        _execute(
            "INSERT INTO notifier_preference (client_id, topic_id, email, sms) "
            "SELECT id, %s, (id + %s) %% 4 <> 0, (id + %s) %% 3 = 0 FROM notifier_client ORDER BY id",
            *(topic.pk,) * 3,
        )
        _execute(
            "INSERT INTO notifier_consentchange (client_id, topic_id, channel, agreed, at, source, by_id) "
            "SELECT client_id, topic_id, 'email', true, %s, 'STAFF', %s FROM notifier_preference "
            "WHERE topic_id = %s AND email",
            now,
            user.pk,
            topic.pk,
        )
    _execute(
        "INSERT INTO notifier_historicalclient "
        "(id, name, email, phone, is_active, created_at, history_date, history_type, history_user_id) "
        "SELECT id, name, email, phone, is_active, created_at, created_at, '+', %s FROM notifier_client",
        user.pk,
    )
    _execute(
        "INSERT INTO notifier_suppression (channel, address, reason, created_at) "
        "SELECT 'email', email, 'bounced', %s FROM notifier_client WHERE id %% 100 = 3 AND email IS NOT NULL",
        now,
    )
    # One in eight with a phone has answered something, and of these one in fifty waits to be read.
    _execute(
        "INSERT INTO notifier_inboundmessage "
        "(channel, provider, provider_id, sender, text, outcome, received_at, read_at) "
        "SELECT 'sms', 'twilio', 'SM' || id, phone, 'Thank you, but who are you?', 'KEPT', created_at, "
        "CASE WHEN id %% 400 <> 0 THEN %s::timestamptz END "
        "FROM notifier_client WHERE id %% 8 = 0 AND phone IS NOT NULL ORDER BY id",
        now,
    )


def _broadcast(number: int, topic: Topic, sizes: Sizes, user: User, now: datetime) -> Broadcast:
    """One a day, the last one of them still running."""
    notification = a_notification(
        topic=topic, subject=f"New homes of week {number + 1}", email_body="Hello {{ name }}, have a look. " * 20
    )
    runs = number == sizes.broadcasts - 1
    started = now - timedelta(days=sizes.broadcasts - 1 - number)
    return a_broadcast(
        notification=notification,
        state="RUNNING" if runs else "FINISHED",
        cursor=sizes.clients,
        audience_upto=sizes.clients,
        audience=sizes.share,
        created_by=user,
        started_at=started,
        finished_at=None if runs else started,
    )


def _deliveries(broadcast: Broadcast, number: int, sizes: Sizes, now: datetime) -> None:
    """To clients in a row, another part of them for each broadcast. Of the one that runs, a tenth waits."""
    waits = "i %% 10 = 9" if broadcast.finished_at is None else "false"
    _execute(
        f"""
        INSERT INTO notifier_delivery
            (broadcast_id, client_id, channel, address, state, due_at, attempts, detail, settled_at)
        SELECT %s, c.id, channel, address, state, CASE WHEN state = 'PENDING' THEN %s::timestamptz END, 1,
               CASE WHEN state IN ('SENT', 'PENDING') THEN '' ELSE 'said the provider' END,
               CASE WHEN state <> 'PENDING' THEN %s::timestamptz + i * interval '20 milliseconds' END
        FROM (
            SELECT i, 1 + (i + %s) %% %s AS id, CASE WHEN i %% 3 = 0 THEN 'sms' ELSE 'email' END AS channel,
                   CASE WHEN {waits} THEN 'PENDING' WHEN i %% 100 < {FAILED} THEN 'FAILED'
                        WHEN i %% 100 < {FAILED + UNKNOWN} THEN 'UNKNOWN'
                        WHEN i %% 100 < {FAILED + UNKNOWN + SKIPPED} THEN 'SKIPPED' ELSE 'SENT' END AS state
            FROM generate_series(0, %s - 1) i
        ) chosen
        JOIN notifier_client c USING (id)
        CROSS JOIN LATERAL (SELECT coalesce(CASE WHEN channel = 'sms' THEN c.phone ELSE c.email END, '')) a (address)
        """,
        broadcast.pk,
        now + timedelta(hours=1),
        broadcast.started_at,
        number * sizes.share,
        sizes.clients,
        sizes.share,
    )


def _decisions(user: User, now: datetime) -> None:
    """One about every tenth failed delivery."""
    _execute(
        "INSERT INTO notifier_resolution (action, by_id, at, why, number) VALUES ('MARKED_SENT', %s, %s, 'bench', 0)",
        user.pk,
        now,
    )
    _execute(
        "INSERT INTO notifier_resolveddelivery (resolution_id, delivery_id, state_before) "
        "SELECT (SELECT max(id) FROM notifier_resolution), id, state FROM notifier_delivery "
        "WHERE state = 'FAILED' AND id %% 10 = 0"
    )
    _execute("UPDATE notifier_resolution SET number = (SELECT count(*) FROM notifier_resolveddelivery)")


def _what_waits(user: User, now: datetime, *, rows: int) -> None:
    """One broadcast for a second person, one for tomorrow, and a file of so many rows beside one that was imported."""
    editor = User.objects.create_user("bench-editor")
    notification = Notification.objects.latest("pk")
    for state in Broadcast.BEFORE_START:
        a_broadcast(
            notification=notification,
            state=state,
            text_of=notification.updated_at,
            needs_approval=state == Broadcast.State.AWAITING_APPROVAL,
            started_at=None,
            scheduled_for=now + timedelta(days=1),
            audience_upto=0,
            tallied_at=now,
            created_by=editor,
        )
    an_import(created_by=user, finished_at=now)
    lines = (f"{NAMES[i % len(NAMES)]} Example,client{i * 2}@example.com" for i in range(1, rows + 1))
    file = io.BytesIO("\n".join(["name,email", *lines]).encode())
    uploads.upload(file=file, name="bench.csv", by=user, now=now)


def _execute(statement: str, *parameters: Any) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        # Without parameters, too: they turn %% into %.
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []
