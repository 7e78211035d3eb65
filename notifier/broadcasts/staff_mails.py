"""Mails that tell staff about broadcasts: approvers, that one needs them; whoever asked for it, what they decided.

Each is written down in the transaction of the act that it is about, and sent by a dispatcher later. So no act waits for
a mail server or fails with it, and no mail is lost: one that could not be sent is tried again for a day.
"""

import logging
import smtplib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db.models import Q, QuerySet
from django.utils import timezone

from notifier.broadcasts import approvers, rejections
from notifier.broadcasts.rejections import Remedy
from notifier.messages import lines
from notifier.models import Broadcast, StaffMail
from notifier.staff.timezones import zone_of
from notifier.wording import wall_clocks

logger = logging.getLogger(__name__)

State, What = Broadcast.State, StaffMail.What

#: Approvers who are told of one broadcast.
MAX_TOLD = 50
#: Mails that one call sends.
MAX_AT_ONCE = 20
#: How long a mail belongs to the process that is sending it.
LEASE = timedelta(minutes=5)
#: The waits after a failure, each twice the one before; with MAX_ATTEMPTS of them a day passes.
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=4)
MAX_ATTEMPTS = 15


# --- Written down, in the transaction of the act ----------------------------------------------------------------------
def ask_approvers(*, broadcast: Broadcast, now: datetime) -> None:
    """That it awaits their approval."""
    _write(broadcast.pk, approvers.of(broadcast=broadcast, most=MAX_TOLD), What.TO_APPROVE, now)


def tell_requester(*, broadcast_id: int, what: StaffMail.What, due_at: datetime) -> None:
    """What was decided; nobody is told of a broadcast of the command line."""
    _write(broadcast_id, _requester(broadcast_id), what, due_at)


def _requester(broadcast_id: int) -> QuerySet[User]:
    asked = Broadcast.objects.filter(pk=broadcast_id).values("created_by")
    return User.objects.filter(pk__in=asked, is_active=True)


def _write(broadcast_id: int, people: Iterable[User], what: StaffMail.What, due_at: datetime) -> None:
    if not settings.STAFF_MAILS:
        return
    # What has not gone out by now is old news.
    earlier = StaffMail.objects.filter(broadcast_id=broadcast_id)
    earlier.filter(Q(due_at__isnull=False) | Q(failed_at__isnull=False)).update(due_at=None, failed_at=None, error="")
    told = [user for user in people if user.email]
    StaffMail.objects.bulk_create(
        StaffMail(broadcast_id=broadcast_id, to=user, what=what, due_at=due_at) for user in told
    )


# --- Sent, by a dispatcher --------------------------------------------------------------------------------------------
def due(now: datetime) -> QuerySet[StaffMail]:
    return StaffMail.objects.filter(due_at__lte=now)


def send_due(*, now: datetime, goes_on: Callable[[], bool] = lambda: True) -> int:
    """Send the mails that are due, one after the other while `goes_on`; returns how many went out.

    Any number of processes may do so at once. A failure is logged, and the mail tried again later.
    """
    sent = 0
    people = ("broadcast__created_by", "broadcast__rejected_by")
    related = ("to__profile", "broadcast__topic", "broadcast__notification", *people)
    for mail in due(now).select_related(*related).order_by("due_at", "pk")[:MAX_AT_ONCE]:
        if not goes_on():
            break
        if _take(mail, now):
            sent += _send(mail, now)
    return sent


# --- Not sent ---------------------------------------------------------------------------------------------------------
def unsent() -> QuerySet[StaffMail]:
    """Those that could not be sent, and are tried again or were given up; the last failure first."""
    return StaffMail.objects.filter(failed_at__isnull=False).order_by("-failed_at", "-pk")


def unsent_of(*, broadcast: Broadcast) -> list[StaffMail]:
    """Those that are still news."""
    found = unsent().filter(broadcast=broadcast).select_related("to")[:MAX_TOLD]
    return [mail for mail in found if _still_matters(mail, broadcast)]


def _take(mail: StaffMail, now: datetime) -> bool:
    """Whether it is this process that sends it."""
    mine = StaffMail.objects.filter(pk=mail.pk, due_at=mail.due_at)
    mail.attempts += 1
    return bool(mine.update(due_at=now + LEASE, attempts=mail.attempts))


def _send(mail: StaffMail, now: datetime) -> int:
    if not _still_matters(mail, mail.broadcast):
        _settle(mail)
        return 0
    try:
        with timezone.override(zone_of(mail.to)):
            message = EmailMessage(_subject(mail), _body(mail), to=[mail.to.email])
        message.send()
    except Exception as error:  # noqa: BLE001  (each backend has errors of its own)
        _failed(mail, error, now)
        return 0
    _settle(mail)
    return 1


def _still_matters(mail: StaffMail, broadcast: Broadcast) -> bool:
    """Whether it would not be old news: of what was asked, decided or changed, and to whom."""
    state = broadcast.state
    match mail.what:
        case What.TO_APPROVE:
            is_news = state == State.AWAITING_APPROVAL
        case What.REJECTED:
            is_news = state == State.REJECTED
        case _:  # not where the approval was undone since, or the broadcast cancelled
            is_news = state in (State.SCHEDULED, State.RUNNING, State.PAUSED, State.FINISHED)
    return is_news and bool(mail.to.is_active and mail.to.email)


def _failed(mail: StaffMail, error: Exception, now: datetime) -> None:
    # Only the name: the text of an error may hold the address.
    if mail.attempts >= MAX_ATTEMPTS:
        logger.error("Mail %d to staff was given up after %d tries: %s", mail.pk, mail.attempts, type(error).__name__)
        _note(mail, error, now, due_at=None)
        return
    wait = min(FIRST_WAIT * 2 ** (mail.attempts - 1), LONGEST_WAIT)
    logger.error("Mail %d to staff could not be sent, and is tried again: %s", mail.pk, type(error).__name__)
    _note(mail, error, now, due_at=now + wait)


def _note(mail: StaffMail, error: Exception, now: datetime, *, due_at: datetime | None) -> None:
    StaffMail.objects.filter(pk=mail.pk).update(due_at=due_at, failed_at=now, error=_why(error))


def _why(error: Exception) -> str:
    """For staff: what the server itself said may hold an address."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return "the mail server refused the username or password"
        case smtplib.SMTPRecipientsRefused():
            return "the mail server refused the address"
        case smtplib.SMTPSenderRefused():
            return "the mail server refused the sender"
        case smtplib.SMTPConnectError() | smtplib.SMTPServerDisconnected():
            return "the mail server can’t be reached"
        case smtplib.SMTPException():  # each of them is an OSError, too
            return "the mail server refused it"
        case OSError():
            return "the mail server can’t be reached"
    return "an error that the dispatcher’s log names"


def _settle(mail: StaffMail) -> None:
    """Sent, or old news."""
    StaffMail.objects.filter(pk=mail.pk).update(due_at=None, failed_at=None, error="")


# --- What they say ----------------------------------------------------------------------------------------------------
def _subject(mail: StaffMail) -> str:
    return lines.one_line(f"{mail.get_what_display()}: {mail.broadcast.title}")


def _body(mail: StaffMail) -> str:
    broadcast = mail.broadcast
    about = f"“{broadcast.title}”, a broadcast about {broadcast.topic.name},"
    by = broadcast.created_by.get_username() if broadcast.created_by else "the command line"
    match mail.what:
        case What.TO_APPROVE:
            said = f"{about} needs your approval. It was created by {by}. {_starts(broadcast)}"
            return f"{said}\n\nReview and decide:\n{_url(broadcast, 'approve')}\n"
        case What.REJECTED:
            who = broadcast.rejected_by.get_username() if broadcast.rejected_by else "An approver"
            said = f"{about} was rejected. Nothing was sent.\n\n{who}: {broadcast.ended_because}"
            return f"{said}\n\n{_what_next(mail)}"
    return f"{about} was approved. {_starts(broadcast)}\n\nView it:\n{_url(broadcast, 'progress')}\n"


def _what_next(mail: StaffMail) -> str:
    """The act that its reader may do, and the page that has it."""
    broadcast = mail.broadcast
    if rejections.remedy(broadcast=broadcast, may=mail.to.has_perm) == Remedy.RESUBMIT:
        return f"Edit and resubmit it:\n{_admin_url('notification', broadcast.notification_id, 'change')}\n"
    # That page says who can edit it, and what else can be done.
    return f"View it:\n{_url(broadcast, 'progress')}\n"


def _starts(broadcast: Broadcast) -> str:
    if broadcast.started_at:
        return f"It started on {wall_clocks.with_zone(broadcast.started_at)}."
    if broadcast.scheduled_for:
        return f"It is due to start on {wall_clocks.with_zone(broadcast.scheduled_for)}."
    return "It starts as soon as it is approved."


def _url(broadcast: Broadcast, page: str) -> str:
    return _admin_url("broadcast", broadcast.pk, page)


def _admin_url(model: str, pk: int, page: str) -> str:
    # Not by `reverse`, which would load every page into a process that serves none.
    return f"{settings.PUBLIC_URL}/admin/notifier/{model}/{pk}/{page}/"
