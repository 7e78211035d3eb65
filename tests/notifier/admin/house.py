"""What stands behind the doors of the back office: a row of everything, and the forms of its pages."""

from datetime import timedelta
from html.parser import HTMLParser
from io import BytesIO
from types import SimpleNamespace
from typing import Any

from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.models import Group, User
from django.utils import timezone

from notifier.clients.imports import uploads
from notifier.models import (
    Channel,
    ClientImport,
    Process,
    Profile,
    QueuedTicket,
    Resolution,
    Suppression,
    Throttle,
    Topic,
)
from tests.factories import a_broadcast, a_client, a_delivery, a_notification, a_user, an_answer, an_open_breaker

#: A file of two, one of whom can't be taken.
CLIENTS = b"name,email\nCleo,cleo@example.com\nBob,bob@\n"


def a_house() -> Any:
    """A row of everything that a door may be about."""
    now = timezone.now()
    tried = {"username": "ann", "ip_address": "192.0.2.7", "user_agent": "Browser", "path_info": "/admin/login/"}
    finished = a_broadcast(state="FINISHED", finished_at=now)
    somebody = a_user(username="somebody")
    house = SimpleNamespace(
        client=a_client(listings="both"),
        unsent_client=a_client(),
        archived=a_client(is_active=False),
        topic=Topic.objects.create(name="Unused", slug="unused"),
        suppression=Suppression.objects.create(channel=Channel.EMAIL, address="gone@example.com", reason="asked us to"),
        refusal=Suppression.objects.create(
            channel=Channel.EMAIL, address="stop@example.com", reason="STOP", source="CLIENT"
        ),
        inboundmessage=an_answer(),
        notification=a_notification(),
        unsent_notification=a_notification(),
        broadcast=a_broadcast(),
        paused=a_broadcast(state="PAUSED"),
        scheduled=a_broadcast(state="SCHEDULED", started_at=None, scheduled_for=now + timedelta(days=1), text_of=now),
        awaiting=a_broadcast(
            state="AWAITING_APPROVAL", needs_approval=True, started_at=None, text_of=now, created_by=a_user()
        ),
        imported=ClientImport.objects.create(file_name="done.csv", state="DONE", counts={}, finished_at=now),
        uploaded=uploads.upload(file=BytesIO(CLIENTS), name="clients.csv", by=somebody, now=now),
        finished=finished,
        failed=a_delivery(broadcast=finished, state="FAILED"),
        unknown=a_delivery(broadcast=finished, state="UNKNOWN"),
        process=Process.objects.create(kind="DISPATCHER", host="here", pid=1, started_at=now, last_seen_at=now),
        queuedticket=QueuedTicket.objects.create(channel=Channel.SMS, body=b"{}", available_at=now),
        throttle=Throttle.objects.create(channel=Channel.SMS, provider="api.example.com", filled_at=now),
        resolution=Resolution.objects.create(action="MARKED_SENT", by=a_user(), at=now, why="in their log"),
        breaker=an_open_breaker(now=now, probe_at=now + timedelta(hours=1)),
        user=somebody,
        group=Group.objects.create(name="Somebody's"),
        accessattempt=AccessAttempt.objects.create(**tried, failures_since_start=1),
        accesslog=AccessLog.objects.create(**tried),
    )
    house.delivery = house.failed
    house.notification.subject = "As it is now"
    house.notification.save()
    return house


def move_in(house: Any, user: User) -> None:
    """Makes theirs what each member of staff has of their own: an upload, and addresses for tests."""
    ClientImport.objects.filter(pk=house.uploaded.pk).update(created_by=user)
    User.objects.filter(pk=user.pk).update(email="staff@example.com")
    Profile.objects.update_or_create(user=user, defaults={"phone": "+12025550199"})


class _Forms(HTMLParser):
    """What a browser would post of each form of a page, were nothing touched."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, list[str]]] = []
        self._select = ""
        self._textarea = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        attrs = dict(attributes)
        if tag == "form":
            self.forms.append({})
        if not self.forms:
            return
        fields, name = self.forms[-1], attrs.get("name") or ""
        if tag == "input" and name and self._is_posted(attrs):
            fields.setdefault(name, []).append(attrs.get("value") or ("on" if attrs.get("type") == "checkbox" else ""))
        elif tag == "textarea":
            self._textarea = name
            fields[name] = [""]
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in attrs:
            fields.setdefault(self._select, []).append(attrs.get("value") or "")

    def _is_posted(self, attrs: dict[str, str | None]) -> bool:
        if attrs.get("type") in ("submit", "button", "file"):
            return False
        return attrs.get("type") not in ("checkbox", "radio") or "checked" in attrs

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.forms[-1][self._textarea][0] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = ""
        elif tag == "select":
            self._select = ""


def form_of(html: str) -> dict[str, list[str]]:
    """The largest form of the page."""
    parser = _Forms()
    parser.feed(html)
    return max(parser.forms, key=len, default={})
