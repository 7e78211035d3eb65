"""Text of one line: where it is refused, where it is cleaned, and what a mail's header looks like all the same."""

from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import HttpRequest
from django.urls import get_resolver
from hypothesis import given
from hypothesis import strategies as st

from notifier.admin.site import LoginForm
from notifier.messages import lines
from notifier.models import Broadcast, Client, Notification, Topic
from tests.support.factories import a_broadcast, a_client, a_notification, a_topic

#: What `str.splitlines` splits on, and a few more that no line contains.
ENDS = ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
OTHERS = ["\0", "\t", "\x1b", "\x7f", "\x9f", "\ud800"]


@pytest.mark.parametrize("letter", ENDS + OTHERS, ids=ascii)
def test_no_line_contains_what_ends_one_or_is_not_seen(letter: str) -> None:
    text = f"Spring{letter}Content-Type: text/html"

    assert not lines.is_one_line(text)
    assert lines.one_line(text) == "Spring Content-Type: text/html"
    with pytest.raises(ValidationError):
        lines.validate_one_line(text)


@pytest.mark.parametrize("text", ["", "Ann  Example ", "Ångström 🏡", "שלום", "a\u200bb\u00a0c"])
def test_what_is_one_line_stays_as_it_is(text: str) -> None:
    assert lines.is_one_line(text)
    assert lines.one_line(text) == text


@given(st.text())
def test_whatever_comes_is_one_line_afterwards(text: str) -> None:
    assert len(f"x{lines.one_line(text)}x".splitlines()) == 1


#: Nobody sees any of these.
INVISIBLE = [
    " \t",
    "\u200b",
    "\u2060",
    "\ufeff",
    "\u3164",
    "\u115f",
    "\uffa0",
    "\u2800",
    "\u200c\u200d",
    "\ufe0f",
    "\xad",
]


@pytest.mark.parametrize("text", ["", *INVISIBLE, "".join(INVISIBLE)], ids=ascii)
def test_blank_is_what_nobody_would_see(text: str) -> None:
    assert lines.is_blank(text)
    assert lines.is_no_name(text)


@pytest.mark.parametrize("text", [".", "-", "–", "—", " - ", "?", "…", "\u200b-", "()"], ids=ascii)
def test_a_dash_is_seen_and_is_no_name(text: str) -> None:
    assert not lines.is_blank(text)
    assert lines.is_no_name(text)
    with pytest.raises(ValidationError, match="not a name"):
        lines.validate_name(text)


@pytest.mark.parametrize(
    "text", ["Ann", "علی\u200cرضا", "क\u094d\u200dष", "X", "3", "Jean-Luc", "😀", "가", "$"], ids=ascii
)
def test_what_is_not_seen_may_stand_within_a_name(text: str) -> None:
    lines.validate_name(text)

    assert not lines.is_no_name(text)


# --- Where it is refused ----------------------------------------------------------------------------------------------
def one_line_fields() -> Iterator[tuple[str, forms.Field]]:
    """Every field of a form of ours, but those of models, which the admin makes below."""
    assert get_resolver().url_patterns  # which imports every page
    waiting: list[type[forms.BaseForm]] = [forms.BaseForm]
    while waiting:
        form = waiting.pop()
        waiting += form.__subclasses__()
        if form.__module__.startswith("notifier.") and not issubclass(form, forms.BaseModelForm | LoginForm):
            yield from ((f"{form.__name__}.{name}", field) for name, field in getattr(form, "base_fields", {}).items())


def forms_of_the_admin() -> Iterator[tuple[str, forms.Field]]:
    request = HttpRequest()
    request.user = User(is_superuser=True, is_active=True)
    for model, model_admin in admin.site._registry.items():
        if model_admin.has_add_permission(request) or model_admin.has_change_permission(request):
            for row in (None, model(pk=1)):
                form: Any = model_admin.get_form(request, row, change=row is not None)
                yield from ((f"{model.__name__}.{name}", field) for name, field in form.base_fields.items())


def is_typed(field: forms.Field) -> bool:
    hidden = isinstance(field.widget, forms.Textarea | forms.HiddenInput | forms.PasswordInput)
    return isinstance(field, forms.CharField) and not hidden


@pytest.mark.django_db
@pytest.mark.parametrize("letter", ["\x0b", "\x85", "\u2028"], ids=ascii)
def test_every_form_refuses_it_wherever_one_line_is_typed(letter: str) -> None:
    typed = {name: field for name, field in (*one_line_fields(), *forms_of_the_admin()) if is_typed(field)}

    taken = [name for name, field in typed.items() if _takes(field, f"ann{letter}ann")]

    assert {"EraseForm.why", "Topic.name", "Notification.subject", "Client.name", "User.first_name"} <= typed.keys()
    # The number that is typed to confirm is compared, and nothing else is done with it.
    assert [name for name in taken if not name.endswith(".typed")] == []


@pytest.mark.django_db
@pytest.mark.parametrize("text", INVISIBLE[1:], ids=ascii)
def test_every_form_refuses_a_line_of_which_nothing_is_seen(text: str) -> None:
    typed = {name: field for name, field in (*one_line_fields(), *forms_of_the_admin()) if is_typed(field)}

    taken = [name for name, field in typed.items() if _takes(field, text)]

    assert [name for name in taken if not name.endswith(".typed")] == []


@pytest.mark.django_db
def test_every_form_refuses_a_dash_for_a_name() -> None:
    typed = {name: field for name, field in (*one_line_fields(), *forms_of_the_admin()) if is_typed(field)}

    names = {name: field for name, field in typed.items() if name.endswith((".name", "first_name", "last_name"))}

    assert {"Topic.name", "Client.name", "User.last_name", "AccountForm.last_name", "Group.name"} <= names.keys()
    assert [name for name, field in names.items() if _takes(field, "-")] == []


def _takes(field: forms.Field, text: str) -> bool:
    try:
        return field.clean(text) is not None
    except ValidationError:
        return False


@pytest.mark.parametrize(
    ("model", "field"), [(Topic, "name"), (Client, "name"), (Broadcast, "subject"), (Notification, "subject")]
)
def test_so_does_the_model(model: Any, field: str) -> None:
    row = model(**{field: "Spring\x0bContent-Type: text/html"})

    with pytest.raises(ValidationError) as refused:
        row.full_clean(exclude={one.name for one in model._meta.fields} - {field}, validate_unique=False)

    assert field in refused.value.message_dict


# --- What was there before --------------------------------------------------------------------------------------------
MIGRATION = import_module("notifier.migrations.0006_lines_out_of_one_line_fields")


@pytest.mark.both_engines
@pytest.mark.django_db
def test_names_and_subjects_of_before_are_cleaned_once() -> None:
    a_topic(slug="spring", name="Spring offers")
    topic = a_topic(slug="bad", name="Spring\x0boffers")
    nameless = a_client(name="\u2028")
    good = a_client(name="Ann  Example")
    notification = a_notification(topic=topic, subject="New\u2028homes\x85now")
    broadcast = a_broadcast(notification=notification)
    Broadcast.objects.update(subject="New\u2028homes\x85now")

    for _ in range(2):
        MIGRATION.clean(apps, SimpleNamespace(connection=connection))

        for row in (topic, nameless, good, notification, broadcast):
            row.refresh_from_db()
        assert (topic.name, nameless.name, good.name) == (
            "Spring offers (2)",
            f"Client {nameless.pk}",
            "Ann  Example",
        )
        assert (notification.subject, broadcast.subject) == ("New homes now", "New homes now")
