"""Notifications: what clients are told, as staff write it."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from notifier.messages import markdown, placeholders
from notifier.models.channels import Channel
from notifier.models.clients import Topic


class Notification(models.Model):
    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, related_name="notifications")
    subject = models.CharField(max_length=200, help_text="The e-mail's subject, and its name for staff.")
    email_body = models.TextField("e-mail text", blank=True)
    sms_body = models.TextField("SMS text", blank=True)
    created_at = models.DateTimeField("created", auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField("changed", auto_now=True)

    history = HistoricalRecords(excluded_fields=["updated_at"])

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
        return self.subject

    @property
    def channels(self) -> list[Channel]:
        """The channels that it has a text for."""
        return [channel for channel in Channel if self.body(channel).strip()]

    def body(self, channel: Channel) -> str:
        return self.email_body if channel == Channel.EMAIL else self.sms_body

    def clean(self) -> None:
        self.subject = self.subject.strip()
        self.email_body, self.sms_body = placeholders.tidied(self.email_body), placeholders.tidied(self.sms_body)
        mistakes = {
            # If it is missing, the field itself says so.
            "subject": placeholders.subject_mistakes(self.subject) if self.subject else [],
            "email_body": placeholders.mistakes(self.email_body) + markdown.mistakes(self.email_body),
            "sms_body": placeholders.sms_mistakes(self.sms_body),
        }
        found = {name: messages for name, messages in mistakes.items() if messages}
        if found:
            raise ValidationError(found)
