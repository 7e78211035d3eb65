"""The form in which a notification is written: in the default language, and in each other one that is offered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.forms.stale_forms import StaleModelForm
from notifier.languages import offered
from notifier.messages import placeholders, variants
from notifier.messages.variants import Completeness, Texts
from notifier.models import Channel, Notification
from notifier.models.notifications import text_mistakes

LABELS = {
    "subject": _("Subject"),
    "preheader": _("Preheader"),
    "email_body": _("E-mail text"),
    "sms_body": _("SMS text"),
}
#: A part in another language stands in a field of its own, named after the language.
_FIELD = "{code}_{name}"


def field_name(code: str, name: str) -> str:
    return _FIELD.format(code=code, name=name)


def read_variants(posted: Mapping[str, str], *, most: int) -> dict[str, Texts]:
    """What the form posts in other languages, valid or not; of each part the first `most` letters."""
    found = {}
    for code in offered.codes()[1:]:
        # PostgreSQL stores no NUL.
        parts = {name: posted.get(field_name(code, name), "")[:most].replace("\0", "") for name in LABELS}
        found[code] = Texts(**{name: placeholders.tidied(text) for name, text in parts.items()})
    return {code: texts for code, texts in found.items() if texts}


def fields_of(texts: Mapping[str, Texts]) -> dict[str, str]:
    """By the names of the form's fields, of each language that is offered."""
    return {
        field_name(code, name): getattr(texts.get(code, Texts()), name)
        for code in offered.codes()[1:]
        for name in LABELS
    }


@dataclass(frozen=True, slots=True)
class VariantFields:
    """What the page shows of one other language."""

    completeness: Completeness
    #: Each with the name of its part.
    fields: Sequence[tuple[str, Any]]

    @property
    def has_errors(self) -> bool:
        return any(field.errors for _, field in self.fields)


class NotificationForm(StaleModelForm):
    class Meta:
        help_texts = {
            "email_body": _("Leave it empty to send no e-mail."),
            "sms_body": _("Leave it empty to send no SMS."),
        }
        widgets = {
            "email_body": forms.Textarea(attrs={"rows": 16, "class": "vLargeTextField", "dir": "auto"}),
            "sms_body": forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField", "dir": "auto"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**fields_of(self.instance.other_texts), **self.initial}

    def values_now(self) -> dict[str, Any]:
        # Called by the constructor, before it compares: the fields of other languages take part in that. A reader's
        # form has none.
        if "email_body" in self.fields:
            self.fields.update(_fields())
        return super().values_now()

    def other_values(self, row: Any) -> dict[str, Any]:
        return fields_of(row.other_texts) if "email_body" in self.fields else {}

    def changed_by(self, names: Sequence[str], since: datetime) -> str:
        """The versions know one column for all other languages."""
        known = [name if name in Notification.TEXTS else "variants" for name in names if name != "topic"]
        return super().changed_by([*known, *(name for name in names if name == "topic")], since)

    def _label(self, name: str) -> str:
        # A language has a capital inside a sentence, too.
        words, bracket, language = str(self.fields[name].label if name in self.fields else "").partition(" (")
        return f"{words.lower()} ({language}" if bracket else super()._label(name)

    @property
    def variants(self) -> list[VariantFields]:
        if "email_body" not in self.fields:
            return []
        own, others = self.instance.own_texts, self.instance.other_texts
        if self.is_bound:
            own = Texts(**{name: self.data.get(name, "") for name in Notification.TEXTS})
            others = read_variants({name: self.data.get(name, "") for name in self.data}, most=1_000)
        elif self.initial:
            known = {name: str(self.initial.get(name) or "") for name in (*Notification.TEXTS, *fields_of({}))}
            own = Texts(**{name: known[name] for name in Notification.TEXTS})
            others = read_variants(known, most=1_000)
        return [
            VariantFields(one, [(name, self[field_name(one.code, name)]) for name in LABELS])
            for one in variants.completeness(own=own, others=others)
        ]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if not {"email_body", "sms_body"} & self.errors.keys() and not (cleaned["email_body"] or cleaned["sms_body"]):
            # Said at the first of the two fields; the constraint would say it above the form.
            self.add_error("email_body", gettext("Write an e-mail text, an SMS text, or both."))
        self._clean_variants(cleaned)
        return cleaned

    def _clean_variants(self, cleaned: dict[str, Any]) -> None:
        written = read_variants({name: str(value or "") for name, value in cleaned.items()}, most=1_000_000)
        for code, texts in written.items():
            for name, sentences in self._mistakes(code, texts, cleaned).items():
                if field_name(code, name) not in self.errors:
                    self.add_error(field_name(code, name), sentences)
        # A language that is no longer offered keeps its texts.
        kept = {code: texts for code, texts in self.instance.other_texts.items() if code not in offered.codes()}
        # Among the cleaned values, so that it is saved.
        self.instance.variants = cleaned["variants"] = variants.write({**kept, **written})

    def _mistakes(self, code: str, texts: Texts, cleaned: Mapping[str, Any]) -> dict[str, list[str]]:
        found = text_mistakes(**{name: getattr(texts, name) for name in LABELS})
        if not texts.subject:
            # It may be written last, and until then the default text is sent.
            found.pop("subject", None)
        for channel in Channel:
            if getattr(texts, channel.body_field) and not cleaned.get(channel.body_field):
                found.setdefault(channel.body_field, []).append(
                    gettext(
                        "There is no %(name)s %(in_words)s text, so this would never be sent. Write that one too, or "
                        "leave this empty."
                    )
                    % {"name": offered.name(offered.default()), "in_words": channel.in_words}
                )
        return found


def _fields() -> dict[str, forms.Field]:
    found: dict[str, forms.Field] = {}
    for code in offered.codes()[1:]:
        # Read aloud in the right voice, and checked by the browser in the right language.
        attrs = {"lang": code, "dir": "auto"}
        long = {**attrs, "class": "vLargeTextField"}
        widgets = {
            "subject": forms.TextInput(attrs={**attrs, "class": "vTextField"}),
            "preheader": forms.TextInput(attrs={**attrs, "class": "vTextField"}),
            "email_body": forms.Textarea(attrs={**long, "rows": 12}),
            "sms_body": forms.Textarea(attrs={**long, "rows": 4}),
        }
        for name, label in LABELS.items():
            limit = getattr(Notification._meta.get_field(name), "max_length", None)
            found[field_name(code, name)] = forms.CharField(
                required=False, label=f"{label} ({offered.name(code)})", widget=widgets[name], max_length=limit
            )
    return found
