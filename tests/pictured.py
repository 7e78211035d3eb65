"""What the pictures show besides the demo data: earlier days, and broadcasts that wait for a time or for somebody.

Run within the product, with its settings: `manage.py shell -c "from tests.pictured import furnish; furnish()"`.
"""

import random
import uuid
from datetime import timedelta

from axes.models import AccessAttempt
from django.contrib.auth.models import Group, User
from django.test import override_settings
from django.utils import timezone

from notifier.models import Broadcast, Channel, DailyTally, Delivery, Notification
from notifier.services import broadcasts
from notifier.services.terms import AT_ONCE, Terms

#: Sent a day, about, by the day of the week.
WEEK = (420, 510, 640, 480, 730, 90, 60)


def furnish() -> None:
    sender = User.objects.create_user("tom", "tom@example.com", "open sesame", is_staff=True)
    sender.groups.add(*Group.objects.filter(name__in=["Senders", "Editors"]))
    _wait(by=sender)
    _earlier_days()
    _wrong_passwords()


def _wait(*, by: User) -> None:
    """One for its time and one for a second person, of texts that nothing else in the pictures sends."""
    now = timezone.now()
    first, second = Notification.objects.exclude(broadcasts__isnull=False).order_by("pk")[:2]
    tomorrow = now.replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=1)
    with override_settings(APPROVAL_ABOVE=0):
        _ask(first, by=by, terms=AT_ONCE)
    _ask(second, by=by, terms=Terms(scheduled_for=tomorrow, expires_at=tomorrow + timedelta(hours=12)))


def _ask(notification: Notification, *, by: User, terms: Terms) -> list[Broadcast]:
    seen = {notification.pk: notification.updated_at}
    return broadcasts.create(seen=seen, token=uuid.uuid4(), by=by, now=timezone.now(), again=True, terms=terms)


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
                DailyTally.objects.create(day=day, broadcast=broadcast, channel=channel, state=state, number=number)


def _wrong_passwords() -> None:
    for name, address, failures in (("tom", "192.0.2.7", 2), ("root", "203.0.113.44", 5)):
        AccessAttempt.objects.create(
            username=name,
            ip_address=address,
            user_agent="Mozilla/5.0",
            path_info="/admin/login/",
            failures_since_start=failures,
        )
