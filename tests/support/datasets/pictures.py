"""What the pictures show besides the demo data: earlier days, and broadcasts that wait for a time or for somebody.

Called within the product, with its settings, once a broadcast has ended and another is being sent.
"""

import io
import random
import uuid
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import override_settings
from django.utils import timezone
from PIL import Image, ImageDraw

from notifier.broadcasts import lifecycle
from notifier.broadcasts.send_options import AT_ONCE, SendOptions
from notifier.consent import sms_replies
from notifier.consent.sms_replies import SmsReply
from notifier.messages import signed_links
from notifier.models import (
    Brand,
    Broadcast,
    Channel,
    Client,
    ClientField,
    ClientTag,
    DailyStats,
    Delivery,
    InboundMessage,
    Notification,
    Picture,
    SavedAudience,
    Suppression,
    Tag,
)
from notifier.pictures import storing
from tests.support.datasets.one_of_each import an_attempt
from tests.support.factories import a_tag

#: Sent a day, about, by the day of the week.
WEEK = (420, 510, 640, 480, 730, 90, 60)


def add() -> None:
    sender = User.objects.create_user("tom", "tom@example.com", "open sesame", is_staff=True)
    sender.groups.add(*Group.objects.filter(name__in=["Senders", "Editors"]))
    _wait(by=sender)
    _earlier_days()
    _wrong_passwords()
    _replies(read_by=sender)
    _appearance(by=sender)
    _tags()


def _tags() -> None:
    """On some of the clients, and one that nobody has yet."""
    vip, press, _ = (a_tag(name) for name in ("VIP", "Press", "Open house 2026"))
    ids = Client.objects.order_by("pk").values_list("pk", flat=True)[:60]
    ClientTag.objects.bulk_create(
        ClientTag(client_id=pk, tag=tag) for tag, step in ((vip, 3), (press, 7)) for pk in ids[::step]
    )


def rows() -> dict[str, Any]:
    """The keys of the rows that are pictured, by the names that the registry gives them."""
    running = Broadcast.objects.filter(started_at__isnull=False).latest("pk")
    sent = Delivery.objects.filter(broadcast=running).order_by("pk")
    for_both = Notification.objects.exclude(email_body="").exclude(sms_body="").order_by("pk")
    client = Client.objects.get(pk=sent.order_by("client_id").values_list("client_id", flat=True)[0])
    found: dict[str, Model] = {
        "client": client,
        "spare_client": Client.objects.filter(deliveries=None).earliest("pk"),
        "notification": for_both[0],
        "spare_notification": for_both.reverse()[0],
        "broadcast": running,
        "awaiting": Broadcast.objects.get(state="AWAITING_APPROVAL"),
        "scheduled": Broadcast.objects.get(state="SCHEDULED", undo_until=None),
        "just_sent": Broadcast.objects.undoable().get(),
        "finished": Broadcast.objects.earliest("pk"),
        "delivery": sent[0],
        "failed": Delivery.objects.filter(state__in=["FAILED", "UNKNOWN"]).earliest("pk"),
        "suppression": Suppression.objects.filter(source="BOUNCE").earliest("pk"),
        "user": User.objects.earliest("pk"),
        "picture": Picture.objects.earliest("pk"),
        "brand": Brand.objects.get(),
        "inboundmessage": InboundMessage.objects.filter(read_at=None).latest("pk"),
        "clientfield": ClientField.objects.earliest("pk"),
        "tag": Tag.objects.earliest("pk"),
        "spare_tag": Tag.objects.latest("pk"),
        "savedaudience": SavedAudience.objects.earliest("pk"),
    }
    # Of the client's mail about the first topic.
    link = signed_links.token(signed_links.Link(client.pk, 1, running.pk))
    return {name: row.pk for name, row in found.items()} | {"link": link}


def _wait(*, by: User) -> None:
    """One for its time, one for a second person, one to be undone; of texts that nothing else in the pictures sends."""
    now = timezone.now()
    first, second, third = Notification.objects.exclude(broadcasts__isnull=False).order_by("pk")[:3]
    tomorrow = now.replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=1)
    with override_settings(APPROVAL_ABOVE=0):
        _ask(first, by=by, options=AT_ONCE)
    _ask(second, by=by, options=SendOptions(scheduled_for=tomorrow, expires_at=tomorrow + timedelta(hours=12)))
    # However long the pictures take.
    with override_settings(UNDO_SECONDS=86_400):
        _ask(third, by=by, options=AT_ONCE)


def _ask(notification: Notification, *, by: User, options: SendOptions) -> list[Broadcast]:
    seen = {notification.pk: notification.updated_at}
    return lifecycle.create(seen=seen, token=uuid.uuid4(), by=by, now=timezone.now(), again=True, options=options)


def _earlier_days() -> None:
    """As the dispatcher would have counted them."""
    chance = random.Random(7)
    broadcast = Broadcast.objects.order_by("pk")[0]
    today = timezone.now().date()
    for ago in range(1, 30):
        day = today - timedelta(days=ago)
        for channel, share in ((Channel.EMAIL, 1.0), (Channel.SMS, 0.4)):
            sent = int(WEEK[day.weekday()] * share * chance.uniform(0.7, 1.3))
            outcomes = {Delivery.State.SENT: sent, Delivery.State.SKIPPED: sent // 9, Delivery.State.FAILED: sent // 40}
            for state, number in outcomes.items():
                DailyStats.objects.create(day=day, broadcast=broadcast, channel=channel, state=state, number=number)


HOUSE = """# Now open

Dear {{{{ first_name }}}},

the house is yours to see.

{picture}

[Book a visit](https://example.com/book){{.button}}

- three rooms
- a garden

More on [our page](https://example.com)."""


def _appearance(*, by: User) -> None:
    """A logo, and a house below the sky; both drawn here."""
    logo = Image.new("RGBA", (480, 144), (0, 0, 0, 0))
    pen = ImageDraw.Draw(logo)
    pen.polygon([(12, 132), (12, 72), (72, 18), (132, 72), (132, 132)], fill="#0a6b4f")
    pen.rectangle((160, 40, 460, 66), fill="#0a6b4f")
    pen.rectangle((160, 84, 380, 104), fill="#9fc9bb")
    house = Image.linear_gradient("L").resize((1200, 700)).convert("RGB").point([255 - n // 3 for n in range(256)] * 3)
    pen = ImageDraw.Draw(house)
    pen.polygon([(300, 640), (300, 340), (600, 130), (900, 340), (900, 640)], fill="#b5523b")
    pen.rectangle((540, 440, 660, 640), fill="#f4e3c1")
    pen.rectangle((0, 640, 1200, 700), fill="#5f8f4e")
    house_kept = _kept(house, "A red house on a hill", by)
    Brand.objects.update_or_create(
        pk=1,
        defaults={
            "name": "Hill & Home",
            "logo": _kept(logo, "Hill & Home", by),
            "colour": "#0a6b4f",
            "postal_address": "Hill & Home Ltd\n1 High Street\nLondon N1 1AA",
            "reply_line": "Questions? Reply to this e-mail, or call 020 7946 0123.",
        },
    )
    Notification.objects.create(
        topic_id=1,
        subject="The house on the hill",
        preheader="Three rooms, a garden, and a view of the sea",
        email_body=HOUSE.format(picture=house_kept.markdown),
        sms_body="The house on the hill is open on Saturday.",
    )


def _kept(image: Image.Image, alt: str, by: User) -> Picture:
    file = io.BytesIO()
    image.save(file, "PNG")
    return storing.add(file=file, alt=alt, by=by)


def _wrong_passwords() -> None:
    for name, address, failures in (("tom", "192.0.2.7", 2), ("root", "203.0.113.44", 5)):
        an_attempt(
            username=name,
            ip_address=address,
            user_agent="Mozilla/5.0",
            path_info="/admin/login/",
            failures_since_start=failures,
        )


#: In the order in which they came; the last has yet to be read.
ANSWERS = (
    "Thank you, all the best for the new office!",
    "HELP",
    "STOP",
    "Is the flat near the park still free? I could come on Saturday morning.",
    "Please write to my new address, I moved to Leeds.",
)


def _replies(*, read_by: User) -> None:
    texting = Client.objects.filter(is_active=True).exclude(phone=None).exclude(name="").order_by("pk")
    now = timezone.now()
    for number, (client, text) in enumerate(zip(texting[: len(ANSWERS)], ANSWERS, strict=True)):
        moment = now - timedelta(minutes=47 * (len(ANSWERS) - number))
        answer = SmsReply(provider="twilio", provider_id=f"SM{number:032x}", sender=str(client.phone), text=text)
        sms_replies.receive(reply=answer, now=moment)
    first = InboundMessage.objects.order_by("pk").values_list("pk", flat=True)[0]
    sms_replies.mark_read(ids=[first], by=read_by, now=now - timedelta(hours=1))
