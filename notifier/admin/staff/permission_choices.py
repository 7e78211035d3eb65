"""Which permissions the pages of users and groups offer, and what they are called there."""

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import or_
from typing import Any

from django import forms
from django.contrib.auth.models import Permission
from django.db.models import Q
from django.forms.models import ModelChoiceIterator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from notifier.staff.permission_words import SECTIONS, WORDS
from notifier.wording.model_names import NOTHING, one

#: Of what no page of ours asks for, and somebody was given all the same.
OTHERS = "Others"


def what_it_allows(permission: Permission) -> str:
    if words := WORDS.get(_full_name(permission)):
        return capfirst(words)
    model = permission.content_type.model_class()
    action, _, name = permission.codename.partition("_")
    if model and action in model._meta.default_permissions and name == model._meta.model_name:
        return f"Can {action} {one(model._meta)}"
    return permission.name


def offer(form: forms.BaseForm, name: str) -> None:
    """Those that a page asks for; Django makes four for each model, also for models that have no page.

    And those that are held already, whatever they are: what a form does not offer it would take away.
    """
    field: Any = form.fields.get(name)
    if field is None:
        return
    row = getattr(form, "instance", None)
    held = Q(pk__in=getattr(row, name).values("pk")) if row and row.pk else Q()
    field.queryset = Permission.objects.filter(_is_asked_for() | held).select_related("content_type")
    field.label_from_instance, field.iterator = what_it_allows, _BySection
    field.choices = _BySection(field)


def listed(permissions: Iterable[Permission]) -> SafeString | str:
    """For those who only read."""
    sections = _by_section(permissions)
    items = (
        (name, format_html_join("", "<li>{}</li>", ((what_it_allows(it),) for it in row))) for name, row in sections
    )
    lists = format_html_join("", "<h3>{}</h3><ul>{}</ul>", items)
    return format_html('<div class="permissions">{}</div>', lists) if lists else NOTHING


def _items(permissions: Iterable[Permission]) -> SafeString:
    return format_html_join("", "<li>{}</li>", ((what_it_allows(permission),) for permission in permissions))


class _BySection(ModelChoiceIterator):
    def __iter__(self) -> Iterator[Any]:
        for name, permissions in _by_section(self.queryset):
            yield name, [self.choice(permission) for permission in permissions]


def _by_section(permissions: Iterable[Permission]) -> Iterator[tuple[str, list[Permission]]]:
    found = {_full_name(permission): permission for permission in permissions}
    for section, words in SECTIONS.items():
        if rows := [found.pop(name) for name in words if name in found]:
            yield section, rows
    if found:
        yield OTHERS, list(found.values())


def _full_name(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"


def _is_asked_for() -> Q:
    names = (name.split(".") for name in WORDS)
    return reduce(or_, (Q(content_type__app_label=app, codename=code) for app, code in names))
