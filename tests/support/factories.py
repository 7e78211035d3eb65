"""Rows for tests, each valid as it comes; say only what the test is about."""

import io
import itertools
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from PIL import Image

from notifier.addresses import phones
from notifier.clients import names
from notifier.demo.people import AREA_CODES
from notifier.fields import definitions, tags
from notifier.messages import variants
from notifier.messages.variants import Texts
from notifier.models import (
    Brand,
    Breaker,
    Broadcast,
    Channel,
    Client,
    ClientField,
    Delivery,
    InboundMessage,
    Notification,
    Picture,
    Preference,
    Process,
    SavedAudience,
    Tag,
    Topic,
    UnsavedText,
)
from notifier.models.brands import ONLY
from notifier.pictures import storing
from notifier.runtime import clock
from notifier.saved_audiences import saving
from notifier.saved_audiences.document import Document, Line
from notifier.saved_audiences.document import Group as ConditionGroup
from notifier.staff import groups

Consent = Literal["email", "sms", "both", "neither"]
#: Asks for an address that no other client of the test process has.
FRESH = "fresh"
_numbers = itertools.count(1)


def a_topic(*, slug: str = "listings", name: str = "") -> Topic:
    """The topic of that slug, made if it isn't there: a test that empties tables takes the first topics with it."""
    return Topic.objects.get_or_create(slug=slug, defaults={"name": name or slug.replace("-", " ").capitalize()})[0]


def a_client(
    *,
    name: str = "Ann Example",
    first_name: str = "",
    last_name: str = "",
    email: str | None = FRESH,
    phone: str | None = FRESH,
    is_active: bool = True,
    time_zone: str = "",
    language: str | None = None,
    **consent: Consent,
) -> Client:
    """A client with both addresses. Consent is by topic: `a_client(listings="email", offerings="both")`.

    With a first or a last name they are called by these, and otherwise have a full name alone.
    """
    number = next(_numbers)
    phone = a_phone(number) if phone == FRESH else phone
    client = Client.objects.create(
        name=names.full_name(first_name=first_name, last_name=last_name) or name,
        first_name=first_name,
        last_name=last_name,
        email=f"client{number}@example.com" if email == FRESH else email,
        phone=phone,
        landline_ending=_landline_ending(phone),
        language=language,
        is_active=is_active,
        time_zone=time_zone,
    )
    for slug, channels in consent.items():
        Preference.objects.create(
            client=client,
            topic=a_topic(slug=slug),
            email=channels in ("email", "both"),
            sms=channels in ("sms", "both"),
        )
    return client


def a_field(*, kind: str = "TEXT", options: Sequence[str] = (), **fields: Any) -> ClientField:
    """A field of clients, of that kind."""
    number = next(_numbers)
    values = {"key": f"field_{number}", "label": f"Field {number}", "currency": "EUR" if kind == "MONEY" else ""}
    field = ClientField(kind=kind, **values | fields)
    definitions.save(field)
    if options:
        changes = [definitions.OptionChange(None, label) for label in options]
        definitions.set_options(field=field, options=changes, now=clock.now())
    return field


def a_tag(name: str = "") -> Tag:
    return tags.add(name or f"Tag {next(_numbers)}")


def _a_consenting_client(topic: Topic) -> Client:
    client = a_client()
    Preference.objects.create(client=client, topic=topic, email=True, sms=True)
    return client


def _landline_ending(phone: str | None) -> str | None:
    """As a page or an import would keep it. Tests have clients with numbers that neither takes, too."""
    try:
        return phones.read(phone, region=None).landline_ending if phone else None
    except ValueError:
        return None


def a_phone(number: int) -> str:
    """A number that nobody has, and that forms take: 555-0100 to 555-0199 of a real area code, for 20,000 clients."""
    return f"+1{AREA_CODES[number // 100 % len(AREA_CODES)]}55501{number % 100:02d}"


def a_notification(
    *,
    topic: Topic | None = None,
    subject: str = "Three new homes",
    email_body: str = "Hello {{ name }}, have a look.",
    sms_body: str = "Hello {{ name }}",
    preheader: str = "",
    **others: Texts,
) -> Notification:
    """What it says in other languages is given by language: `a_notification(de=Texts("Hallo", …))`."""
    return Notification.objects.create(
        topic=topic or a_topic(),
        subject=subject,
        preheader=preheader,
        email_body=email_body,
        sms_body=sms_body,
        variants=variants.write(others),
    )


def a_picture_file(*, size: tuple[int, int] = (40, 30), kind: str = "PNG", **options: Any) -> io.BytesIO:
    """What somebody may upload."""
    file = io.BytesIO()
    Image.new(options.pop("mode", "RGB"), size, options.pop("colour", "teal")).save(file, kind, **options)
    file.seek(0)
    file.name = f"picture.{kind.lower()}"
    return file


def a_picture(*, alt: str = "The new homes", **size: Any) -> Picture:
    """One that is kept in the storage."""
    return storing.add(file=a_picture_file(**size), alt=alt, by=None)


def a_brand(**fields: Any) -> Brand:
    """The only row, with these values."""
    return Brand.objects.update_or_create(pk=ONLY, defaults={"name": "Acme Homes"} | fields)[0]


def a_broadcast(
    *,
    notification: Notification | None = None,
    state: str = Broadcast.State.RUNNING,
    audience_upto: int | None = None,
    **fields: Any,
) -> Broadcast:
    """A broadcast to all clients that there are, as the button makes it: nothing is expanded yet."""
    notification = notification or a_notification()
    newest = Client.objects.order_by("-id").values_list("id", flat=True).first()
    values = {
        "notification": notification,
        "topic": notification.topic,
        "subject": notification.subject,
        "preheader": notification.preheader,
        "email_body": notification.email_body,
        "sms_body": notification.sms_body,
        "variants": notification.variants,
        "state": state,
        "audience_upto": audience_upto if audience_upto is not None else newest or 0,
        "request_id": uuid.uuid4(),
        "started_at": clock.now(),
    }
    return Broadcast.objects.create(**values | fields)


def an_ended_broadcast(now: datetime, **fields: Any) -> Broadcast:
    """One that came to the end of a large audience."""
    ended: dict[str, Any] = {"state": "FINISHED", "finished_at": now, "cursor": 10**6, "audience_upto": 10**6}
    return a_broadcast(**ended | fields)


def a_chain(now: datetime, length: int) -> list[Broadcast]:
    """Ended ones, each following the one before."""
    chain = [an_ended_broadcast(now)]
    while len(chain) < length:
        chain.append(an_ended_broadcast(now, notification=chain[0].notification, follows=chain[-1]))
    return chain


def a_delivery(
    *,
    broadcast: Broadcast | None = None,
    client: Client | None = None,
    channel: str = Channel.EMAIL,
    state: str = Delivery.State.PENDING,
    due_at: datetime | None = None,
    **fields: Any,
) -> Delivery:
    """A delivery to a client who agreed to it, due now if its state is one that waits."""
    broadcast = broadcast or a_broadcast()
    client = client or _a_consenting_client(broadcast.topic)
    waits = state in (Delivery.State.PENDING, Delivery.State.SENDING, Delivery.State.RETRYING)
    values = {
        "broadcast": broadcast,
        "client": client,
        "channel": channel,
        "address": str(client.email if channel == Channel.EMAIL else client.phone),
        "state": state,
        "due_at": due_at or (clock.now() if waits else None),
        "settled_at": None if waits else clock.now(),
    }
    return Delivery.objects.create(**values | fields)


def a_reply(*, text: str = "Is it still free?", sender: str = "+12025550123", **fields: Any) -> InboundMessage:
    """By SMS, and not read yet."""
    values = {
        "provider": "twilio",
        "provider_id": f"SM{next(_numbers):032x}",
        "outcome": InboundMessage.Outcome.KEPT,
        "received_at": clock.now(),
    }
    return InboundMessage.objects.create(text=text, sender=sender, **values | fields)


def processes_at_work(now: datetime) -> None:
    """A dispatcher and a consumer of each channel, who count as running for an hour, however slow the test is."""
    seen = {"host": "here", "pid": 1, "started_at": now, "last_seen_at": now + timedelta(hours=1)}
    Process.objects.create(kind=Process.Kind.DISPATCHER, **seen)
    for channel in Channel:
        Process.objects.create(kind=Process.Kind.CONSUMER, channel=channel, **seen)


def an_open_breaker(*, now: datetime, channel: str = Channel.EMAIL, **fields: Any) -> Breaker:
    """Opened a minute ago, and its next probe is due now."""
    values = {
        "opened_at": now - timedelta(minutes=1),
        "detail": "451 try later",
        "given": 20,
        "failed": 18,
        "probe_at": now,
    }
    return Breaker.objects.create(channel=channel, **values | fields)


def a_user(
    *permissions: str, username: str = "", password: str = "secret", is_superuser: bool = False, group: str = ""
) -> User:
    """A member of staff with these permissions, each as `notifier.send_broadcast`, and in this group of ours."""
    user = User.objects.create_user(
        username or f"user{next(_numbers)}", password=password, is_staff=True, is_superuser=is_superuser
    )
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    if group:
        # A test that empties tables takes the groups of the migration with it.
        groups.make_groups(apps=apps)
        user.groups.add(Group.objects.get(name=group))
    return user


def a_kept_text(*, user: User, notification_id: int | None = None, **values: Any) -> UnsavedText:
    """What somebody has typed and not saved, as the page keeps it."""
    texts = {"topic": "", "subject": "Not saved", "preheader": "", "email_body": "Not saved yet", "sms_body": ""}
    columns = {**texts, "seen": "", "kept_at": clock.now(), **values}
    return UnsavedText.objects.create(user=user, notification_id=notification_id, **columns)


def a_saved_audience(*lines: Line | ConditionGroup, name: str = "", join: str = "all") -> SavedAudience:
    """Of clients for whom all of these conditions hold."""
    document = Document(lines, join)
    return saving.create(name=name or f"Audience {next(_numbers)}", description="", document=document, by=None)
