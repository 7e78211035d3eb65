"""Forms that carry what they showed, and never overwrite what somebody else has changed since.

Such a form has a hidden field with a digest of each value. When it is posted, the values are read again, under the
lock of whoever saves. Where one has changed, nothing is saved: what the user had left alone takes the new value, what
they typed stays, and the page says what was changed and by whom. Saved once more, it is about what is shown now.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar, cast

from django import forms
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.forms.models import model_to_dict
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime

from notifier.forms import moments
from notifier.runtime import versions

#: The hidden field.
FIELD = "seen"
#: Two web servers' clocks may differ by so much.
SKEW = timedelta(seconds=5)
#: Letters of a value in a message; a text may be long.
MAX_SHOWN = 200
#: Of the earlier versions of a row so many are looked through for who changed what.
MAX_EARLIER = 20
INCOMPLETE = "Nothing was saved: the form was incomplete. Check it and save again."


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page showed: a digest by the name of each value, and when that was."""

    digests: Mapping[str, str]
    at: datetime

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Seen":
        return cls({name: versions.digest([value]) for name, value in values.items()}, timezone.now())

    @classmethod
    def read(cls, text: Any) -> "Seen | None":
        """None for anything that `write` did not make."""
        try:
            found = json.loads(text)
            at = moments.read(found.pop("at"))
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            return None
        return cls(found, at) if at else None

    def has_changed(self, name: str, value: Any) -> bool:
        """Whether the value is no longer what was shown."""
        return self.digests.get(name) != versions.digest([value])

    def write(self) -> str:
        return json.dumps({**self.digests, "at": self.at.isoformat()}, separators=(",", ":"))


class SeenField(forms.CharField):
    """Never counts as changed by the user."""

    widget = forms.HiddenInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, **kwargs})

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class StaleForm(forms.BaseForm):
    """For a form that has a field for each of its values; `values_now` says what those are at this moment."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Changed since the page was shown, and not by the user: the field has the new value now.
        self._taken_over: list[str] = []
        #: Changed by the user and by somebody else, in different ways.
        self._contested: list[str] = []
        self._shown: Seen | None = None
        self._now = self.values_now()
        if not self._now:
            return
        self.fields[FIELD] = SeenField()
        if self.is_bound:
            self._compare()
        else:
            self.initial[FIELD] = Seen.of(self._now).write()

    # --- What a form says of itself ---
    #: Of values that have no field.
    labels: ClassVar[Mapping[str, str]] = {}
    #: Values that are carried for others to compare.
    notes: ClassVar[Collection[str]] = ()

    def values_now(self) -> dict[str, Any]:
        """By name: those of the fields, and others that must not have changed either, which `labels` names.

        Empty for what is only being added.
        """
        raise NotImplementedError

    def changed_by(self, names: Sequence[str], since: datetime) -> str:
        """Who changed these and when, as in "ann, 14:03"; empty where that is not on record."""
        return ""

    # --- Comparing ---
    def _compare(self) -> None:
        fresh = Seen.of(self._now)
        data = cast(Any, self.data).copy()
        self._shown = Seen.read(data.get(self.add_prefix(FIELD)))
        for name in self._changed_since(fresh):
            posted = self._digest_of_posted(name)
            if self._shown and (name not in self.fields or posted == self._shown.digests.get(name)):
                self._taken_over.append(name)
                self._put(data, name, self._now[name])
            elif posted != fresh.digests[name]:
                self._contested.append(name)
        # Saved once more, the form is about what it shows now.
        data[self.add_prefix(FIELD)] = fresh.write()
        self.data = data

    def _changed_since(self, fresh: Seen) -> list[str]:
        shown = self._shown.digests if self._shown else {}
        return [name for name, digest in fresh.digests.items() if shown.get(name) != digest and name not in self.notes]

    def _digest_of_posted(self, name: str) -> str:
        """As if it had been stored; empty for what can't be."""
        if (field := self.fields.get(name)) is None or field.disabled:
            return ""
        value = field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
        try:
            return versions.digest([field.clean(value)])
        except ValidationError:
            return ""

    def _put(self, data: Any, name: str, value: Any) -> None:
        """Into what was posted, as a browser would post it."""
        if (field := self.fields.get(name)) is None:
            return
        key, widget, value = self.add_prefix(name), field.widget, field.prepare_value(value)
        if isinstance(widget, forms.CheckboxInput):
            data.pop(key, None)
            if value:
                data[key] = "on"
        elif isinstance(widget, forms.SelectMultiple | forms.CheckboxSelectMultiple):
            data.setlist(key, [str(each) for each in value or ()])
        else:
            data[key] = "" if value is None else str(value)

    # --- Refusing ---
    def clean(self) -> Any:
        cleaned = super().clean()
        if not self._now:
            return cleaned
        if self._shown is None:
            self.add_error(None, INCOMPLETE)
            return cleaned
        for name in self._contested:
            self.add_error(name, self._contest(name))
        if self._taken_over or self._contested:
            self.add_error(None, self._refusal(self._shown.at))
        return cleaned

    def _contest(self, name: str) -> str:
        words = in_words(self._now[name])
        return f"Someone else has changed this to {words}. Your entry is still here: decide which is right."

    def _refusal(self, since: datetime) -> str:
        names = [*self._taken_over, *self._contested]
        what = ", ".join(self._label(name) for name in names)
        by = self.changed_by(names, since)
        shown = "".join(
            f" {self._label(name).capitalize()}: {in_words(self._now[name])} now."
            for name in self._taken_over
            if name in self.fields
        )
        return (
            f"Nothing was saved. This has changed since you opened the page: {what}{f' ({by})' if by else ''}.{shown} "
            "Your own changes are still below. Check them and save again."
        )

    def _label(self, name: str) -> str:
        field = self.fields.get(name)
        return str((field.label if field else None) or self.labels.get(name) or name.replace("_", " ")).lower()


class StaleModelForm(StaleForm, forms.ModelForm):
    """For a form of one row that is there already."""

    def values_now(self) -> dict[str, Any]:
        """Read anew: the instance may be an earlier version, and gets what was posted."""
        pk = self.instance.pk
        row = None if pk is None else type(self.instance)._base_manager.filter(pk=pk).first()
        names = [name for name, field in self.fields.items() if name != FIELD and not field.disabled]
        found = model_to_dict(row, names) if row and names else {}
        return found | (self.other_values(row) if row else {})

    def other_values(self, row: Any) -> dict[str, Any]:
        """Of values that have no field."""
        return {}

    def changed_by(self, names: Sequence[str], since: datetime) -> str:
        return who_changed(self.instance, names, since)


def who_changed(row: Model, names: Sequence[str], since: datetime) -> str:
    """Those who are on record as having changed these values since then, each with the time: "ann, 14:03"."""
    since = since_with_skew(since)
    if hasattr(type(row), "history"):
        return "; ".join(_in_history(row, names, since))
    kind = ContentType.objects.get_for_model(row)
    log = LogEntry.objects.filter(content_type=kind, object_id=str(row.pk), action_flag=CHANGE, action_time__gte=since)
    edits = log.order_by("action_time").values_list("user__username", "action_time")
    return "; ".join(person(*edit) for edit in edits[:MAX_EARLIER])


def since_with_skew(since: datetime) -> datetime:
    """From when on a change may have come after a page was shown at that time."""
    return since - SKEW


def _in_history(row: Any, names: Sequence[str], since: datetime) -> Iterator[str]:
    """By the earlier versions of which one of these values differs from the one before."""
    newest = type(row).history.filter(id=row.pk).select_related("history_user").order_by("-history_date", "-history_id")
    history = list(newest[: MAX_EARLIER + 1])
    for after, before in reversed(list(pairwise(history))):
        differs = any(getattr(after, name, None) != getattr(before, name, None) for name in names)
        if differs and after.history_date >= since:
            by = after.history_user.get_username() if after.history_user else None
            yield person(by, after.history_date, after.history_change_reason)


def person(name: str | None, at: datetime, reason: str | None = None) -> str:
    """Who did it, why and when: "ann, asked by phone, 14:03"."""
    parts = (name or "not by staff", reason, date_format(localtime(at), "H:i"))
    return ", ".join(part for part in parts if part)


def in_words(value: Any) -> str:
    """A value of a form, for a message."""
    if isinstance(value, bool):
        return "ticked" if value else "not ticked"
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value) or "nothing"
    text = " ".join(str("" if value is None else value).split())
    if not text:
        return "empty"
    return f"“{text}”" if len(text) <= MAX_SHOWN else f"“{text[: MAX_SHOWN - 1]}…”"


def carrying(form: type[forms.ModelForm]) -> type[forms.ModelForm]:
    """The form of a row that is there already, so that it carries what it showed."""
    if issubclass(form, StaleForm):
        return form
    return type(form.__name__, (StaleModelForm, form), {"__module__": form.__module__})
