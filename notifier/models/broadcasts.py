"""A notification on its way to its audience: one broadcast, and one delivery for each (client, channel)."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from notifier.models.channels import Channel
from notifier.models.clients import Client, Topic
from notifier.models.notifications import Notification

#: The daily tallies of a broadcast that is under way may be so old.
COUNT_DAYS_EVERY = timedelta(minutes=1)


class BroadcastQuerySet(models.QuerySet["Broadcast"]):
    def running(self) -> "BroadcastQuerySet":
        return self.filter(state=Broadcast.State.RUNNING)

    def to_settle(self) -> "BroadcastQuerySet":
        """Those that the dispatcher has work with, now or once someone else has done theirs."""
        return self.running() | self.filter(state=Broadcast.State.CANCELLED, finished_at=None)

    def to_expand(self) -> "BroadcastQuerySet":
        return self.running().filter(cursor__lt=models.F("audience_upto"))

    def to_sweep(self) -> "BroadcastQuerySet":
        """Those that may own deliveries whose time runs out."""
        return self.to_settle() | self.filter(state=Broadcast.State.PAUSED)

    def to_tally(self) -> "BroadcastQuerySet":
        """Those whose numbers change, and those that ask for a new count."""
        return self.to_sweep() | self.filter(tallied_at=None)

    def to_count_by_day(self, now: datetime) -> "BroadcastQuerySet":
        """Those whose daily tallies are asked for, and those whose deliveries are still being settled, now and then."""
        stale = self.to_sweep().filter(days_counted_at__lte=now - COUNT_DAYS_EVERY)
        return stale | self.filter(days_counted_at=None)

    def to_finish(self) -> "BroadcastQuerySet":
        """Those that end once nothing is left to do: running ones that are expanded, and cancelled ones."""
        return self.to_settle().filter(Q(state=Broadcast.State.CANCELLED) | Q(cursor__gte=models.F("audience_upto")))

    def before_start(self) -> "BroadcastQuerySet":
        """Those that were asked for and have not begun."""
        return self.filter(state__in=Broadcast.BEFORE_START)

    def to_start(self, now: datetime) -> "BroadcastQuerySet":
        """Those whose time has come, and has not passed."""
        return self.filter(state=Broadcast.State.SCHEDULED, scheduled_for__lte=now).unexpired(now)

    def unexpired(self, now: datetime) -> "BroadcastQuerySet":
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now))

    def to_expire(self, now: datetime) -> "BroadcastQuerySet":
        """Those whose time has passed while something was left to do; the others may still finish."""
        active = Delivery.objects.active().filter(broadcast=OuterRef("pk"))
        open_ones = self.filter(state__in=[Broadcast.State.RUNNING, Broadcast.State.PAUSED])
        unfinished = open_ones.filter(Q(cursor__lt=F("audience_upto")) | Exists(active))
        return (self.before_start() | unfinished).filter(expires_at__lte=now)


class Broadcast(models.Model):
    class State(models.TextChoices):
        AWAITING_APPROVAL = "AWAITING_APPROVAL", "Awaiting approval"
        SCHEDULED = "SCHEDULED", "Scheduled"
        RUNNING = "RUNNING", "Running"
        PAUSED = "PAUSED", "Paused"
        CANCELLED = "CANCELLED", "Cancelled"
        FINISHED = "FINISHED", "Finished"

    #: Nothing of them has been sent, and clients who are added now still count.
    BEFORE_START = (State.AWAITING_APPROVAL, State.SCHEDULED)
    #: What is taken over from the notification.
    FROZEN = ("topic_id", "subject", "email_body", "sms_body")

    notification = models.ForeignKey(Notification, on_delete=models.PROTECT, related_name="broadcasts")
    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, related_name="broadcasts")
    subject = models.CharField(max_length=200)
    email_body = models.TextField("e-mail text", blank=True)
    sms_body = models.TextField("SMS text", blank=True)
    #: The notification's `updated_at` when its text was frozen: what was edited since shows by it.
    text_of = models.DateTimeField(null=True)
    #: Who changed the text last while it waited; NULL where it is the text of when it was asked for.
    text_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=20, choices=State.choices, default=State.RUNNING)
    #: When it starts by itself; NULL started, or starts, at once.
    scheduled_for = models.DateTimeField(null=True)
    #: What has not been sent by then never will be.
    expires_at = models.DateTimeField("expires", null=True)
    #: Ignores sending hours and frequency caps; never consent.
    is_critical = models.BooleanField("critical", default=False, db_default=False)
    needs_approval = models.BooleanField(default=False, db_default=False)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    approved_at = models.DateTimeField("approved", null=True)
    #: Why it was cancelled, in words for staff; empty where somebody just did.
    ended_because = models.CharField(max_length=300, blank=True, default="", db_default="")
    #: Goes only to those who did not get that one.
    follows = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="followed_by")
    #: The highest client id that has been expanded into deliveries.
    cursor = models.BigIntegerField(default=0)
    #: The highest client id when it started: later clients are not in it. 0 before that.
    audience_upto = models.BigIntegerField()
    #: Deliveries made so far; grows in the transaction that makes them.
    audience = models.BigIntegerField(default=0)
    #: What the dispatcher last saw: `{"audience": n, "rate": settled a second, "counts": {channel: {state: n}}}`.
    tally = models.JSONField(default=dict)
    #: NULL asks the dispatcher for a new tally, even of a finished broadcast.
    tallied_at = models.DateTimeField(null=True)
    #: NULL asks the dispatcher to count its daily tallies anew.
    days_counted_at = models.DateTimeField(null=True)
    request_id = models.UUIDField(unique=True)
    #: NULL is the command line. Who sent something is kept: such a user is deactivated, not deleted.
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField("created", auto_now_add=True)
    started_at = models.DateTimeField("started", null=True)
    finished_at = models.DateTimeField("finished", null=True)

    objects = BroadcastQuerySet.as_manager()

    class Meta:
        permissions = [
            ("send_broadcast", "Can send a notification to its audience"),
            ("control_broadcast", "Can pause, resume and cancel broadcasts"),
            ("approve_broadcast", "Can approve what somebody else wants to send"),
            ("send_critical", "Can mark a broadcast as critical: it ignores sending hours and caps, never consent"),
        ]
        constraints = [
            # Two that follow the same one would both go to whoever it missed.
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
        return f"#{self.pk} {self.subject}"

    @property
    def channels(self) -> list[Channel]:
        """The channels that it has a text for."""
        return [channel for channel in Channel if self.body(channel).strip()]

    def body(self, channel: Channel | str) -> str:
        return self.email_body if channel == Channel.EMAIL else self.sms_body

    def is_expired(self, now: datetime) -> bool:
        """Nothing of it is sent any more, whatever its state."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def is_outdated(self) -> bool:
        """Whether the notification reads otherwise by now."""
        return any(getattr(self, name) != getattr(self.notification, name) for name in self.FROZEN)


class Reason(models.TextChoices):
    """Why a delivery was skipped, as its detail says it."""

    NO_EMAIL = "no e-mail address"
    NO_PHONE = "no phone number"
    SUPPRESSED = "address suppressed"
    ARCHIVED = "client archived"
    CONSENT_GONE = "consent withdrawn after the send began"
    FREQUENCY_CAP = "frequency cap"
    #: The provider said so when it was sent.
    OPTED_OUT = "the recipient has opted out at the provider"
    REACHED = "reached by an earlier broadcast meanwhile"

    @classmethod
    def no_address(cls, channel: Channel) -> "Reason":
        return cls.NO_EMAIL if channel == Channel.EMAIL else cls.NO_PHONE


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def active(self) -> "DeliveryQuerySet":
        """Those that something still has to happen to."""
        return self.filter(due_at__isnull=False)


class Delivery(models.Model):
    class State(models.TextChoices):
        PENDING = "PENDING", "Waiting"
        SENDING = "SENDING", "Being sent"
        RETRYING = "RETRYING", "To be tried again"
        SENT = "SENT", "Sent"
        FAILED = "FAILED", "Failed"
        UNKNOWN = "UNKNOWN", "Unknown"
        SKIPPED = "SKIPPED", "Skipped"
        CANCELLED = "CANCELLED", "Cancelled"

    #: Something still has to happen to these: they have a time when it is due.
    OPEN = (State.PENDING, State.SENDING, State.RETRYING)
    #: Nothing more happens to these by itself.
    SETTLED = (State.SENT, State.FAILED, State.UNKNOWN, State.SKIPPED, State.CANCELLED)
    #: Those of them that are not known to have arrived; each has a detail that says why.
    UNSENT = (State.FAILED, State.UNKNOWN, State.SKIPPED, State.CANCELLED)

    # The unique key below leads with the broadcast, so an index of its own would only cost time.
    broadcast = models.ForeignKey(Broadcast, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    # Checked by PROTECT alone: a constraint in the database makes the fan-out's inserts 2.7 times slower.
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="deliveries", db_constraint=False)
    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: Frozen at the fan-out; empty where the client had none.
    address = models.CharField(max_length=254, blank=True, db_default="")
    state = models.CharField(max_length=10, choices=State.choices, db_default=State.PENDING)
    #: When the dispatcher must look at this row again; NULL once it is settled.
    due_at = models.DateTimeField("due", null=True)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    #: Whose claim it is, or was. NULL while the row waits for, or travels in, a ticket.
    lease_token = models.UUIDField(null=True, editable=False)
    detail = models.CharField(max_length=300, blank=True, default="", db_default="")
    provider_id = models.CharField("provider's id", max_length=100, blank=True, default="", db_default="")
    settled_at = models.DateTimeField("settled", null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        permissions = [
            ("resolve_delivery", "Can mark deliveries as sent and send them again"),
            ("export_delivery", "Can export deliveries, with addresses"),
        ]
        constraints = [
            models.UniqueConstraint(name="delivery_broadcast_client_chan", fields=["broadcast", "client", "channel"])
        ]
        indexes = [
            models.Index(
                name="delivery_due",
                fields=["broadcast", "channel", "state", "due_at"],
                condition=Q(due_at__isnull=False),
            ),
            models.Index(
                name="delivery_feed", fields=["broadcast", "settled_at"], condition=Q(settled_at__isnull=False)
            ),
            # Few among many, by their reason. What goes out never enters it, so sending costs nothing more.
            models.Index(
                name="delivery_state_broadcast",
                fields=["state", "broadcast", "detail"],
                condition=Q(state__in=["FAILED", "UNKNOWN", "SKIPPED", "CANCELLED"]),
            ),
            # So that a list of the few UNKNOWN ones need not look for them among millions; those that are sent, which
            # most are, never come into it.
            models.Index(
                name="delivery_state_id",
                fields=["state", "id"],
                condition=Q(state__in=["FAILED", "UNKNOWN", "SKIPPED", "CANCELLED"]),
            ),
        ]

    def __str__(self) -> str:
        return f"Delivery #{self.pk}"


class DailyStats(models.Model):
    """How many deliveries of a broadcast were settled in a state on one day, as the dispatcher last counted.

    The overview adds these up: counting millions of deliveries is not for a page.
    """

    broadcast = models.ForeignKey(Broadcast, on_delete=models.CASCADE, related_name="days", db_index=False)
    #: In settings.TIME_ZONE.
    day = models.DateField()
    channel = models.CharField(max_length=10, choices=Channel.choices)
    state = models.CharField(max_length=10, choices=Delivery.State.choices)
    number = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "daily stats"
        constraints = [models.UniqueConstraint(name="dailystats_once", fields=["broadcast", "day", "channel", "state"])]
        indexes = [
            models.Index(name="dailystats_day", fields=["day"]),
            # What waits for a decision is added up over all times.
            models.Index(name="dailystats_unknown", fields=["number"], condition=Q(state=Delivery.State.UNKNOWN)),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.number} {self.state}"
