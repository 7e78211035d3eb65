"""A notification on its way to its audience, and who changed what is to be sent, or when."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from notifier.messages.lines import validate_one_line
from notifier.models.audiences import SavedAudience
from notifier.models.clients import Topic
from notifier.models.deliveries import Delivery
from notifier.models.notifications import Notification, WithBodies

#: How old the daily stats of a running broadcast may get.
COUNT_DAYS_EVERY = timedelta(minutes=1)


class BroadcastQuerySet(models.QuerySet["Broadcast"]):
    def running(self) -> "BroadcastQuerySet":
        return self.filter(state=Broadcast.State.RUNNING)

    def to_settle(self) -> "BroadcastQuerySet":
        """Those that the dispatcher has work to do for, now or after somebody else has done theirs."""
        return self.running() | self.filter(state=Broadcast.State.CANCELLED, finished_at=None)

    def to_expand(self) -> "BroadcastQuerySet":
        return self.running().filter(cursor__lt=models.F("audience_upto"))

    def to_sweep(self) -> "BroadcastQuerySet":
        """Those that may have deliveries whose lease runs out."""
        return self.to_settle() | self.filter(state=Broadcast.State.PAUSED)

    def to_tally(self) -> "BroadcastQuerySet":
        """Those whose numbers change, and those whose tally is to be made again."""
        return self.to_sweep() | self.filter(tallied_at=None)

    def to_count_by_day(self, now: datetime) -> "BroadcastQuerySet":
        """Those whose daily stats are to be counted; running ones again every COUNT_DAYS_EVERY."""
        stale = self.to_sweep().filter(days_counted_at__lte=now - COUNT_DAYS_EVERY)
        return stale | self.filter(days_counted_at=None)

    def to_finish(self) -> "BroadcastQuerySet":
        """Those that end when nothing is left to do: running ones that are expanded, and cancelled ones."""
        return self.to_settle().filter(Q(state=Broadcast.State.CANCELLED) | Q(cursor__gte=models.F("audience_upto")))

    def faulty(self, since: datetime) -> "BroadcastQuerySet":
        """Those of which something can't be done, and that were seen to fail since then."""
        return self.filter(Q(finished_at=None) | Q(tallied_at=None) | Q(days_counted_at=None), fault_at__gt=since)

    def before_start(self) -> "BroadcastQuerySet":
        """Those that await approval or their time."""
        return self.filter(state__in=Broadcast.BEFORE_START)

    def to_start(self, now: datetime) -> "BroadcastQuerySet":
        """Scheduled ones whose time has come and that have not expired."""
        return self.filter(state=Broadcast.State.SCHEDULED, scheduled_for__lte=now).unexpired(now)

    def undoable(self) -> "BroadcastQuerySet":
        """Those that `Broadcast.can_be_undone`."""
        return self.filter(state=Broadcast.State.SCHEDULED, undo_until=F("scheduled_for"))

    def unexpired(self, now: datetime) -> "BroadcastQuerySet":
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now))

    def to_expire(self, now: datetime) -> "BroadcastQuerySet":
        """Those whose time has passed and that have something left to do; others may still finish."""
        active = Delivery.objects.active().filter(broadcast=OuterRef("pk"))
        open_ones = self.filter(state__in=[Broadcast.State.RUNNING, Broadcast.State.PAUSED])
        unfinished = open_ones.filter(Q(cursor__lt=F("audience_upto")) | Exists(active))
        return (self.before_start() | unfinished).filter(expires_at__lte=now)

    def update_unlocked(self, **columns: Any) -> int:
        """Like `update`, without those that somebody else has locked: waiting for one would hold up all others.

        A lock that lasts is of another program, or of a colleague's open transaction; it may last for hours.
        """
        with transaction.atomic():
            unlocked = self.order_by().select_for_update(of=("self",), skip_locked=True, no_key=True)
            return Broadcast.objects.filter(pk__in=unlocked.values("pk")).update(**columns)


class Broadcast(WithBodies):
    class State(models.TextChoices):
        AWAITING_APPROVAL = "AWAITING_APPROVAL", _("Awaiting approval")
        SCHEDULED = "SCHEDULED", _("Scheduled")
        RUNNING = "RUNNING", _("Sending")
        PAUSED = "PAUSED", _("Paused")
        CANCELLED = "CANCELLED", _("Cancelled")
        FINISHED = "FINISHED", _("Finished")
        #: A second person said no. Nothing of it was ever sent, and its text is not offered again as it is.
        REJECTED = "REJECTED", _("Rejected")

    #: Nothing was sent yet, and clients who are added now are still included.
    BEFORE_START = (State.AWAITING_APPROVAL, State.SCHEDULED)
    #: What is copied from the notification.
    FROZEN = ("topic_id", *Notification.CONTENT)

    notification = models.ForeignKey(Notification, on_delete=models.PROTECT, related_name="broadcasts")
    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, related_name="broadcasts")
    subject = models.CharField(max_length=200, validators=[validate_one_line])
    preheader = models.CharField(max_length=150, blank=True, default="", db_default="")
    email_body = models.TextField(_("e-mail text"), blank=True)
    sms_body = models.TextField(_("SMS text"), blank=True)
    #: The same in other languages, as `notifier.messages.variants` writes it.
    variants = models.TextField(_("in other languages"), blank=True, default="", db_default="", editable=False)
    #: The brand as it was when the broadcast was asked for, as `BrandLook` writes it. NULL: there was none.
    brand = models.JSONField(null=True)
    #: The notification's `updated_at` when its text was copied; shows whether it was edited since.
    text_of = models.DateTimeField(null=True)
    #: Who last changed the text while the broadcast awaited approval; NULL if nobody did.
    text_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(_("status"), max_length=20, choices=State.choices, default=State.RUNNING)
    #: When it starts by itself. NULL: at once.
    scheduled_for = models.DateTimeField(null=True)
    #: When it starts by itself because the time to undo it is over. Only while `scheduled_for` is the same: another
    #: time that staff have chosen since is their own.
    undo_until = models.DateTimeField(null=True)
    #: What has not been sent by then is never sent.
    expires_at = models.DateTimeField(_("expires"), null=True)
    #: Ignores quiet hours and frequency caps, but never consent.
    is_critical = models.BooleanField(_("critical"), default=False, db_default=False)
    needs_approval = models.BooleanField(default=False, db_default=False)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(_("approved"), null=True)
    #: Who rejected it; `ended_because` says why, and `finished_at` when.
    rejected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    #: Why it was cancelled or rejected, for staff to read; empty where a member of staff simply cancelled it.
    ended_because = models.CharField(max_length=300, blank=True, default="", db_default="")
    #: What of it can't be done through a fault of ours or of its data, for staff to read, and when that was last seen.
    fault = models.CharField(max_length=300, blank=True, default="", db_default="")
    fault_at = models.DateTimeField(null=True)
    #: The broadcast that this one follows: it goes only to those who did not get that one.
    follows = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="followed_by")
    #: What a rejected one was to follow. It does not any more, so that another may be asked for.
    was_to_follow = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    #: The saved audience that it goes to, for as long as there is that one. Its conditions are in `audience_document`.
    saved_audience = models.ForeignKey(
        SavedAudience, null=True, on_delete=models.SET_NULL, related_name="broadcasts", db_index=False
    )
    #: What was saved there, and how that reads: copied when the broadcast is asked for, and again when the audience is
    #: edited before the start. NULL: it goes to everybody on its topic.
    audience_document: Any = models.JSONField(null=True)
    audience_name = models.CharField(max_length=80, blank=True, default="", db_default="")
    audience_text = models.TextField(blank=True, default="", db_default="")
    #: The audience's `updated_at` when it was copied.
    audience_of = models.DateTimeField(null=True)
    #: The highest client id that has been expanded into deliveries.
    cursor = models.BigIntegerField(default=0)
    #: The same, of a broadcast to an audience. The database refuses a cursor that comes without it, from a process of a
    #: release that knew no audiences and would send to everybody (migration 0040).
    audience_cursor = models.BigIntegerField(null=True, editable=False)
    #: The highest client id when it started, so that later clients are not included. 0 before that.
    audience_upto = models.BigIntegerField()
    #: Deliveries made so far; grows in the transaction that makes them.
    audience = models.BigIntegerField(default=0)
    #: What the dispatcher last counted: `{"audience": n, "rate": settled a second, "counts": {channel: {state: n}}}`.
    tally = models.JSONField(default=dict)
    #: NULL: the dispatcher makes a new tally, even of a finished broadcast.
    tallied_at = models.DateTimeField(null=True)
    #: NULL: the dispatcher counts the daily stats again.
    days_counted_at = models.DateTimeField(null=True)
    request_id = models.UUIDField(unique=True)
    #: NULL: the command line. Users who sent something can only be deactivated, not deleted.
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    objects = BroadcastQuerySet.as_manager()

    class Meta:
        permissions = [
            ("send_broadcast", "Can send a notification to its audience"),
            ("control_broadcast", "Can pause, resume and cancel broadcasts"),
            ("approve_broadcast", "Can approve what someone else wants to send"),
            (
                "send_critical",
                "Can mark a broadcast as critical: it ignores quiet hours and frequency caps, never consent",
            ),
        ]
        constraints = [
            # Two follow-ups of one broadcast would both go to the same clients.
            models.UniqueConstraint(name="broadcast_followed_once", fields=["follows"])
        ]
        indexes = [
            models.Index(
                name="broadcast_unsettled", fields=["state"], condition=Q(finished_at=None) | Q(tallied_at=None)
            ),
            models.Index(name="broadcast_uncounted", fields=["id"], condition=Q(days_counted_at=None)),
            models.Index(name="broadcast_created", fields=["created_at"]),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"

    @property
    def can_be_undone(self) -> bool:
        """Whether someone has just sent it, and may take that back: it has not started."""
        is_same = self.undo_until is not None and self.undo_until == self.scheduled_for
        return is_same and self.state == self.State.SCHEDULED

    def is_expired(self, now: datetime) -> bool:
        """Whether nothing of it is sent any more because its time has passed, whatever its state."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def is_outdated(self) -> bool:
        """Whether the notification was changed since its text was copied."""
        return any(getattr(self, name) != getattr(self.notification, name) for name in self.FROZEN)


class BroadcastChange(models.Model):
    """Somebody changed what is to be sent, or when, after the broadcast had been asked for: they can't approve it."""

    class What(models.TextChoices):
        TEXT = "TEXT", _("Text")
        TIME = "TIME", _("Time")
        AUDIENCE = "AUDIENCE", _("Audience")

    broadcast = models.ForeignKey(Broadcast, on_delete=models.PROTECT, related_name="changes")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    what = models.CharField(max_length=10, choices=What.choices)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_what_display().lower()} of broadcast {self.broadcast_id}"
