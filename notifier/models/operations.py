"""What the processes need to work together: the queue in the database, heartbeats, breakers, rate limits."""

from datetime import datetime, timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from notifier.models.channels import Channel

#: A process without a heartbeat for this long counts as gone.
PROCESS_SILENT_AFTER = timedelta(seconds=15)


class QueuedTicket(models.Model):
    """A ticket that waits in the database. Only used with `BROKER_URL=database://`."""

    channel = models.CharField(max_length=10, choices=Channel.choices)
    body = models.BinaryField()
    available_at = models.DateTimeField(_("available"))
    lease_token = models.UUIDField(null=True, editable=False)
    dead = models.BooleanField(default=False, help_text=_("It could not be read, and was set aside."))

    class Meta:
        indexes = [models.Index(name="queuedticket_ready", fields=["channel", "dead", "available_at"])]

    def __str__(self) -> str:
        return f"Ticket #{self.pk}"


class ProcessQuerySet(models.QuerySet["Process"]):
    def alive(self, now: datetime) -> "ProcessQuerySet":
        return self.filter(last_seen_at__gte=now - PROCESS_SILENT_AFTER)


class Process(models.Model):
    """A running dispatcher or consumer, as of its last heartbeat."""

    class Kind(models.TextChoices):
        DISPATCHER = "DISPATCHER", _("Dispatcher")
        CONSUMER = "CONSUMER", _("Consumer")

    class State(models.TextChoices):
        IDLE = "IDLE", _("Idle")
        WORKING = "WORKING", _("Working")
        WAITING = "WAITING", _("Waiting")

    kind = models.CharField(max_length=10, choices=Kind.choices)
    channel = models.CharField(max_length=10, choices=Channel.choices, blank=True)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField(_("process"))
    started_at = models.DateTimeField(_("started"))
    last_seen_at = models.DateTimeField(_("last seen"), db_index=True)
    state = models.CharField(_("status"), max_length=10, choices=State.choices, default=State.IDLE)
    #: What it waits for, for staff to read; empty when all is well.
    detail = models.CharField(max_length=300, blank=True)
    #: Waiting tickets by channel, and dead ones, as the dispatcher last counted: pages never ask the broker.
    depths = models.JSONField(default=dict)
    #: The key of the dead ones in `depths`.
    DEAD = "dead"
    #: How `detail` begins where it waits for the database, and not for its broker or provider.
    DATABASE_TROUBLE = "The database can’t be used"

    objects = ProcessQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("processes")

    def __str__(self) -> str:
        where = f" ({self.get_channel_display()})" if self.channel else ""
        return f"{self.get_kind_display()}{where} on {self.host}, process {self.pid}"

    @property
    def waits_for_database(self) -> bool:
        return self.state == self.State.WAITING and self.detail.startswith(self.DATABASE_TROUBLE)


class BreakerQuerySet(models.QuerySet["Breaker"]):
    def open(self) -> "BreakerQuerySet":
        return self.filter(opened_at__isnull=False)


class Breaker(models.Model):
    """A channel's circuit breaker: open while most sends to its provider fail. Without a row it is closed."""

    channel = models.CharField(max_length=10, choices=Channel.choices, unique=True)
    #: NULL: it is closed, all is well.
    opened_at = models.DateTimeField(_("opened"), null=True)
    #: The provider's text for the failure that opened it, or for that of the newest probe.
    detail = models.CharField(max_length=300, blank=True, default="")
    #: Since when `given` and `failed` count sends; while it is open they stay as they were when it opened.
    counted_from = models.DateTimeField(null=True)
    given = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    #: While it is open, when the next single delivery is tried. While it is closed, when it closed: sends that were
    #: claimed before that don't count.
    probe_at = models.DateTimeField(null=True)
    #: How many probes failed since it opened.
    probes = models.PositiveIntegerField(default=0)
    #: How many were issued since it opened, whatever became of them.
    issued = models.PositiveIntegerField(default=0, db_default=0)
    #: After how many failed tries (two at the most) deliveries went through lately, and when that was last seen. A mail
    #: server may put everybody off at first (greylisting): a "not now" on fewer tries than that is no sign of trouble.
    passed_after_tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    passed_at = models.DateTimeField(null=True)

    objects = BreakerQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {'open' if self.opened_at else 'closed'}"


class ClientCounts(models.Model):
    """How many clients there are and agreed to what, as the dispatcher last counted. Pages never count. One row."""

    #: `{"clients": n, "archived": n, "new": n, "consents": {topic id: {channel: n}}}`.
    counts = models.JSONField(default=dict)
    counted_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        verbose_name_plural = _("client counts")

    def __str__(self) -> str:
        return f"counts of {self.counted_at}"


class Throttle(models.Model):
    """The rate limit of a channel's provider: a token bucket in one small row, shared by all consumers."""

    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: The host of its address, or its scheme. Each provider has its own bucket.
    provider = models.CharField(max_length=100)
    #: Messages a second, as staff set it. NULL: as EMAIL_RATE and SMS_RATE say.
    rate = models.FloatField(_("messages per second"), null=True, blank=True)
    #: How many messages could be sent at once at `filled_at`.
    tokens = models.FloatField(default=0, db_default=0)
    filled_at = models.DateTimeField()

    class Meta:
        verbose_name = _("sending speed")
        default_permissions = ("view", "change")
        constraints = [models.UniqueConstraint(name="throttle_channel_provider", fields=["channel", "provider"])]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} by {self.provider_name}"

    @property
    def provider_name(self) -> str:
        """For staff: "mailgun" where the provider is a mail backend, anymail.backends.mailgun.EmailBackend."""
        path = self.provider.split(".")
        is_backend = len(path) > 1 and path[-1][:1].isupper()
        return path[-2].replace("_", " ") if is_backend else self.provider


class Installation(models.Model):
    """This installation: one row, which the migrations write."""

    #: Since when changes of consent and of clients are recorded.
    records_began_at = models.DateTimeField()
    #: Stands in the Message-ID of each mail, since numbers begin anew in every database.
    code = models.CharField(max_length=16, default="", db_default="")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Installation since {self.records_began_at:%Y-%m-%d}"
