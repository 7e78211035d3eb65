"""What keeps the machinery going: the queue of the no-broker default, and the processes' signs of life."""

from datetime import datetime, timedelta

from django.db import models

from notifier.models.channels import Channel

#: A process that has not been heard of for so long counts as gone.
WORKER_SILENT_AFTER = timedelta(seconds=15)


class QueuedTicket(models.Model):
    """A ticket that waits in the database, where `BROKER_URL=database://`."""

    channel = models.CharField(max_length=10, choices=Channel.choices)
    body = models.BinaryField()
    available_at = models.DateTimeField("available")
    lease_token = models.UUIDField(null=True, editable=False)
    dead = models.BooleanField(default=False, help_text="It could not be read, and was put aside.")

    class Meta:
        indexes = [models.Index(name="queuedticket_ready", fields=["channel", "dead", "available_at"])]

    def __str__(self) -> str:
        return f"Ticket #{self.pk}"


class ProcessQuerySet(models.QuerySet["Process"]):
    def alive(self, now: datetime) -> "ProcessQuerySet":
        return self.filter(last_seen_at__gte=now - WORKER_SILENT_AFTER)


class Process(models.Model):
    """A running process, as it last said of itself."""

    class Kind(models.TextChoices):
        DISPATCHER = "DISPATCHER", "Dispatcher"
        CONSUMER = "CONSUMER", "Consumer"

    class State(models.TextChoices):
        IDLE = "IDLE", "Idle"
        WORKING = "WORKING", "Working"
        WAITING = "WAITING", "Waiting"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    channel = models.CharField(max_length=10, choices=Channel.choices, blank=True)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField("process")
    started_at = models.DateTimeField("started")
    last_seen_at = models.DateTimeField("last seen", db_index=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.IDLE)
    #: What it waits for, in plain words; empty when all is well.
    detail = models.CharField(max_length=300, blank=True)
    #: Tickets waiting by channel, and the dead ones, as the dispatcher last saw them: pages never ask the broker.
    depths = models.JSONField(default=dict)
    #: Where among the depths the dead ones are.
    DEAD = "dead"

    objects = ProcessQuerySet.as_manager()

    def __str__(self) -> str:
        where = f" ({self.get_channel_display()})" if self.channel else ""
        return f"{self.get_kind_display()}{where} on {self.host}, process {self.pid}"


class BreakerQuerySet(models.QuerySet["Breaker"]):
    def open(self) -> "BreakerQuerySet":
        return self.filter(opened_at__isnull=False)


class Breaker(models.Model):
    """A channel's circuit breaker: open while its provider fails most of what it is given.

    No row is as good as a closed one.
    """

    channel = models.CharField(max_length=10, choices=Channel.choices, unique=True)
    #: NULL: closed, all is well.
    opened_at = models.DateTimeField("opened", null=True)
    #: The provider's words for the failure that opened it, or for the newest probe's.
    detail = models.CharField(max_length=300, blank=True, default="")
    #: Since when, how many sends were given to the provider, and how many of them failed; while open: when it opened.
    counted_from = models.DateTimeField(null=True)
    given = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    #: While open, when the next single delivery is tried; while closed, when it closed: what was claimed before that
    #: counts no more.
    probe_at = models.DateTimeField(null=True)
    #: How many single deliveries failed since it opened.
    probes = models.PositiveIntegerField(default=0)

    objects = BreakerQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {'open' if self.opened_at else 'closed'}"


class ClientCounts(models.Model):
    """Clients and their consent, counted by the dispatcher now and then: pages read this and never count. One row."""

    #: `{"clients": n, "archived": n, "consents": {topic id: {channel: n}}}`.
    counts = models.JSONField(default=dict)
    counted_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        verbose_name_plural = "client counts"

    def __str__(self) -> str:
        return f"counts of {self.counted_at}"


class Throttle(models.Model):
    """How fast a channel's provider may be given messages, shared by all consumers: a token bucket in one small row."""

    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: The host of its address, or its scheme: another provider has another bucket.
    provider = models.CharField(max_length=100)
    #: Messages a second, as staff set it. NULL: as EMAIL_RATE and SMS_RATE say.
    rate = models.FloatField("messages a second", null=True, blank=True)
    #: What may be sent at once as of `filled_at`; below 0 it is owed.
    tokens = models.FloatField(default=0, db_default=0)
    filled_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view", "change")
        constraints = [models.UniqueConstraint(name="throttle_channel_provider", fields=["channel", "provider"])]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} by {self.provider}"


class Installation(models.Model):
    """This installation: one row, which the migrations write."""

    #: Since when consent and versions of clients are written down.
    records_began_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Installation since {self.records_began_at:%Y-%m-%d}"
