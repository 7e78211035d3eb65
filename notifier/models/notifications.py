"""Notifications: what clients are told, as staff write it."""

from collections.abc import Mapping

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from notifier.messages import markdown, mistakes, pictures, placeholders, variants
from notifier.messages.placeholders import NO_FIELDS, Fields
from notifier.messages.variants import Chosen, Completeness, Texts
from notifier.models.channels import Channel
from notifier.models.clients import Topic
from notifier.models.fields import ClientField
from notifier.models.pictures import Picture


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

    @property
    def own_texts(self) -> Texts:
        """Those in the default language."""
        return Texts(**{name: getattr(self, name) for name in Notification.TEXTS})

    @property
    def other_texts(self) -> Mapping[str, Texts]:
        """Those in other languages, by language."""
        return variants.read(getattr(self, "variants"))  # noqa: B009  (a field of those that inherit it)

    @property
    def completeness(self) -> list[Completeness]:
        """How far it is written in each other language."""
        return variants.completeness(own=self.own_texts, others=self.other_texts)

    def chosen(self, channel: Channel | str, language: str | None) -> Chosen:
        """The text that a client of this language gets."""
        kind = Channel(channel).value
        return variants.choose(own=self.own_texts, others=self.other_texts, channel=kind, language=language)

    def languages(self, channel: Channel | str) -> list[str]:
        """The other languages that it is written in, completely for this channel."""
        kind = Channel(channel).value
        return [one.code for one in self.completeness if kind in one.complete]

    def body(self, channel: Channel | str) -> str:
        """Empty where it has none for this channel."""
        text: str = getattr(self, Channel(channel).body_field)
        return text

    def texts(self, channel: Channel | str) -> tuple[str, ...]:
        """What clients read of it on this channel, in each language that some of them read."""
        above = (getattr(self, "subject"), getattr(self, "preheader")) if channel == Channel.EMAIL else ()  # noqa: B009
        return (*above, self.body(channel), *variants.sent(self.other_texts, Channel(channel).value))

    def needed(self, channel: Channel | str) -> tuple[str, ...]:
        """The placeholders of which a client must have a value to get it on this channel: those without a fallback.

        One that only another language needs is among them: nobody's language decides whether they get a message.
        """
        return placeholders.needed(*self.texts(channel)) if self.body(channel).strip() else ()


class Notification(WithBodies):
    class Status(models.TextChoices):
        """How far it is. Never stored: `notifier.notifications.statuses.with_status` derives it."""

        DRAFT = "DRAFT", _("Draft")
        READY = "READY", _("Ready")
        SCHEDULED = "SCHEDULED", _("Scheduled")
        SENT = "SENT", _("Sent")

    #: What is written of it in the default language, by the names of the fields; and all of it.
    TEXTS = ("subject", "preheader", "email_body", "sms_body")
    CONTENT = (*TEXTS, "variants")

    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, related_name="notifications")
    subject = models.CharField(
        max_length=200, help_text=_("The subject of the e-mail. Staff see it as the name of the notification.")
    )
    preheader = models.CharField(
        max_length=150,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "Shown after the subject in the inbox, and not in the e-mail itself. If you leave it empty, "
            "most inboxes show the beginning of the text."
        ),
    )
    email_body = models.TextField(_("e-mail text"), blank=True)
    sms_body = models.TextField(_("SMS text"), blank=True)
    #: The same in other languages, as `notifier.messages.variants` writes it. The history compares what is editable.
    variants = models.TextField(_("in other languages"), blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created"), auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    #: The `updated_at` of the text that staff said is ready to send. Another time than that of now means another text,
    #: so an edit makes it a draft again, whoever saves it.
    ready_of = models.DateTimeField(null=True, editable=False)
    ready_at = models.DateTimeField(_("ready since"), null=True, editable=False)
    ready_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+", db_index=False
    )

    history = HistoricalRecords(excluded_fields=["updated_at", "ready_of", "ready_at", "ready_by"])

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="notification_has_a_body",
                condition=~Q(email_body="") | ~Q(sms_body=""),
                violation_error_message=_("Write an e-mail text, an SMS text, or both."),
            ),
            models.CheckConstraint(name="notification_has_a_subject", condition=~Q(subject="")),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_marked_ready(self) -> bool:
        """Whether staff said so of the text as it stands, sent or not."""
        return self.ready_of is not None and self.ready_of == self.updated_at

    def clean(self) -> None:
        self.subject, self.preheader = self.subject.strip(), self.preheader.strip()
        self.email_body, self.sms_body = placeholders.tidied(self.email_body), placeholders.tidied(self.sms_body)
        if found := text_mistakes(**{name: getattr(self, name) for name in self.TEXTS}):
            raise ValidationError(found)


def text_mistakes(**texts: str) -> dict[str, list[str]]:
    """What is wrong with these texts, by their names, with the placeholders in them and the pictures that they show."""
    found = mistakes.found(fields_named(*texts.values()), **texts)
    if missing := missing_pictures(texts["email_body"]):
        found["email_body"] = [*found.get("email_body", []), *missing]
    return found


def fields_named(*texts: str) -> Fields:
    """The fields of clients, where a placeholder of these texts is not built in; nobody is asked where each is."""
    if not any(placeholders.names_fields(text) for text in texts):
        return NO_FIELDS
    rows = list(ClientField.objects.in_order().values_list("key", "retired_at"))
    return Fields([key for key, at in rows if at is None], [key for key, at in rows if at is not None])


def missing_pictures(text: str) -> list[str]:
    """A sentence for each picture of the text that is not there, or not any more."""
    names = pictures.names_in(text)
    there = Picture.objects.filter(name__in=names).values_list("name", flat=True) if names else []
    return [
        f"There is no picture {name}. Copy its Markdown from Pictures again."
        for name in sorted(names.difference(there))[: markdown.MAX_NAMED]
    ]


class UnsavedText(models.Model):
    """What one member of staff has typed into the form of a notification, or of a new one, and not saved yet.

    It is offered to them again and to nobody else, and nothing that sends reads it.
    """

    # Without a constraint in the database: a process of the release before deletes users and notifications, too.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    #: None: of a new one. Where the notification is deleted this is left behind, and goes with its age: nobody else
    #: should read on the page that deletes that somebody was writing.
    notification = models.ForeignKey(
        Notification, null=True, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False
    )
    #: As the form posted it; no topic of that id may be there any more.
    topic = models.CharField(max_length=20)
    subject = models.TextField()
    preheader = models.TextField()
    email_body = models.TextField()
    sms_body = models.TextField()
    variants = models.TextField(default="", db_default="")
    #: What the page showed, as the form carries it: a save compares with it what others have changed since.
    seen = models.TextField()
    kept_at = models.DateTimeField()

    class Meta:
        # Everybody has their own alone, so there is nothing to be allowed.
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=("user", "notification"),
                condition=Q(notification__isnull=False),
                name="unsaved_text_of_a_notification",
            ),
            models.UniqueConstraint(
                fields=("user",), condition=Q(notification__isnull=True), name="unsaved_text_of_a_new_one"
            ),
        ]

    def __str__(self) -> str:
        return f"unsaved text of {self.user_id}"
