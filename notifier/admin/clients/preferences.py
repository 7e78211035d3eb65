"""The matrix of a client's consent on the client's page: a row for each topic, a column for each channel."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.consent import consents
from notifier.consent.consents import Origin
from notifier.models import Channel, Preference, Topic
from notifier.wording import numbers

OUTDATED = _(
    "Nothing was saved. The client or someone else has changed this consent since you opened the page. It is now as "
    "shown under “Consent history”. Check your ticks and save again."
)


#: A tick of the matrix, by its name in the form.
_TICK = re.compile(rf"preferences-\d{{1,9}}-({'|'.join(Channel.values)})", re.ASCII)
_BOX = forms.BooleanField(required=False)


def adds_consent(posted: Mapping[str, str]) -> bool:
    """Whether something is ticked that was not when the page was opened."""
    ticks = [name for name in posted if _TICK.fullmatch(name)]
    return any(_BOX.to_python(posted[name]) and not _BOX.to_python(posted.get(f"initial-{name}")) for name in ticks)


class PreferenceForm(forms.ModelForm):
    class Meta:
        model = Preference
        fields = ("topic", "email", "sms")
        widgets = {"topic": forms.HiddenInput}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.topic_name = ""
        for channel in Channel:
            if channel.value in self.fields:
                # What was ticked or unticked on this page, not what differs from it by now: a client who opted out
                # while the page was open must stay out when somebody saves a new phone number.
                self.fields[channel.value].show_hidden_initial = True
        if "topic" in self.fields and self.instance.pk is not None:
            # A row stays with its topic, whatever is posted.
            self.fields["topic"].disabled = True

    @property
    def changed_data(self) -> list[str]:
        """The channels alone. What else a form of this page posts is not chosen: a row without a tick is not saved."""
        return [name for name in super().changed_data if name in Channel.values]

    def validate_unique(self) -> None:
        """Also checks constraints with the parent, which Django leaves out: two people may have the page open."""
        super().validate_unique()
        try:
            self.instance.validate_constraints()
        except ValidationError:
            self.add_error(None, gettext("Someone else has just set this. Reload the page to see what they chose."))

    @property
    def cells(self) -> list[dict[str, Any]]:
        """For each channel its tick box, or its value for those who may only read."""
        return [
            {
                "field": self[channel.value] if channel.value in self.fields else None,
                "label": channel.in_words,
                "channel": channel.value,
                "is_on": getattr(self.instance, channel.value),
            }
            for channel in Channel
        ]


class PreferenceFormSet(BaseInlineFormSet):
    """The rows that exist, and a blank one for each topic that has none yet, by the topic's name.

    What the client ended by their own word is switched on again only by who may do that, and with the reason.
    """

    def __init__(
        self,
        *args: Any,
        may_resubscribe: bool = False,
        has_reason: bool = False,
        is_outdated: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.may_resubscribe = may_resubscribe
        self.has_reason = has_reason
        #: Their consent was changed since the page was shown.
        self.is_outdated = is_outdated
        self.topics = dict(Topic.objects.order_by("name").values_list("pk", "name"))
        # Whatever number was posted: Django would make a thousand forms.
        self.absolute_max = len(self.topics)
        taken = {preference.topic_id for preference in self.get_queryset()}
        self.initial_extra = [{"topic": topic} for topic in self.topics if topic not in taken]
        self.extra = len(self.initial_extra)

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.topic_name = self.topics.get(self._topic(form) or 0, "")

    def clean(self) -> None:
        super().clean()
        if self.is_outdated and any(form.has_changed() for form in self.forms):
            raise ValidationError(OUTDATED)
        refusals = consents.refusals(self.instance) if self.instance.pk else None
        for form in self.forms if refusals else ():
            for name in form.changed_data:
                topic, wish = form.cleaned_data.get("topic"), form.cleaned_data.get(name)
                since = refusals.at(topic.pk, Channel(name)) if refusals and topic and wish else None
                if since and (refusal := self._refusal(since)):
                    form.add_error(name, refusal)

    def _refusal(self, since: datetime) -> str:
        ended = gettext("They opted out themselves on %(date_format)s.") % {
            "date_format": date_format(localtime(since), "j M Y")
        }
        if not self.may_resubscribe:
            return gettext(
                "%(ended)s They can turn it on again with the link in a message, or someone with permission can."
            ) % {"ended": ended}
        return (
            ""
            if self.has_reason
            else gettext("%(ended)s Explain below how we know that they want it again.") % {"ended": ended}
        )

    def save_consents(self, *, origin: Origin, now: datetime) -> None:
        """Saves what was changed on the page, with its evidence."""
        self.new_objects, self.changed_objects, self.deleted_objects = [], [], []
        for form in self.forms:
            if not form.has_changed():
                continue
            topic = form.cleaned_data["topic"]
            wants = {Channel(name): bool(form.cleaned_data[name]) for name in form.changed_data}
            consents.change(client=self.instance, topic=topic, wants=wants, origin=origin, now=now)
            if form.instance.pk is None:
                self.new_objects.append(form.instance)
            else:
                self.changed_objects.append((form.instance, form.changed_data))

    def _topic(self, form: PreferenceForm) -> int | None:
        if form.instance.pk is not None:
            return int(form.instance.topic_id)
        given = str(form["topic"].value()) if "topic" in form.fields else ""
        return numbers.read_id(given)


class PreferenceInline(admin.TabularInline):
    model = Preference
    form = PreferenceForm
    formset = PreferenceFormSet
    template = "admin/notifier/client/preferences.html"
    can_delete = False
    verbose_name_plural = _("agreed to hear about")
