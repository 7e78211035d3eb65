"""Notifications: what clients are told, as staff write it."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from notifier.messages import mistakes, placeholders
from notifier.models.channels import Channel
from notifier.models.clients import Topic


class WithBodies(models.Model):
    """What a notification and each broadcast of it can be asked about their texts, one for each channel."""

    class Meta:
        abstract = True

    @property
    def channels(self) -> list[Channel]:
        """The channels that it has a text for."""
        return [channel for channel in Channel if self.body(channel).strip()]

    @property
    def title(self) -> str:
        """The subject as staff read it in headings and lists, where it stands for no client's copy."""
        return placeholders.named(getattr(self, "subject"))  # noqa: B009  (a field of those that inherit it)

    def body(self, channel: Channel | str) -> str:
        """Empty where it has none for this channel."""
        text: str = getattr(self, Channel(channel).body_field)
        return text


class Notification(WithBodies):
    class Status(models.TextChoices):
        """How far it is. Never stored: `notifier.broadcasts.notifications.with_status` derives it."""

        DRAFT = "DRAFT", "Draft"
        READY = "READY", "Ready"
        SCHEDULED = "SCHEDULED", "Scheduled"
        SENT = "SENT", "Sent"

    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, related_name="notifications")
    subject = models.CharField(
        max_length=200, help_text="The subject of the e-mail. Staff see it as the name of the notification."
    )
    email_body = models.TextField("e-mail text", blank=True)
    sms_body = models.TextField("SMS text", blank=True)
    created_at = models.DateTimeField("created", auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField("changed", auto_now=True)

    #: The `updated_at` of the text that staff said is ready to send. Another time than that of now means another text,
    #: so an edit makes it a draft again, whoever saves it.
    ready_of = models.DateTimeField(null=True, editable=False)
    ready_at = models.DateTimeField("ready since", null=True, editable=False)
    ready_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+", db_index=False
    )

    history = HistoricalRecords(excluded_fields=["updated_at", "ready_of", "ready_at", "ready_by"])

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="notification_has_a_body",
                condition=~Q(email_body="") | ~Q(sms_body=""),
                violation_error_message="Write an e-mail text, an SMS text, or both.",
            ),
            models.CheckConstraint(name="notification_has_a_subject", condition=~Q(subject="")),
        ]

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        self.subject = self.subject.strip()
        self.email_body, self.sms_body = placeholders.tidied(self.email_body), placeholders.tidied(self.sms_body)
        if found := mistakes.found(subject=self.subject, email_body=self.email_body, sms_body=self.sms_body):
            raise ValidationError(found)
