"""How a row's own pages save and delete: under its lock, only what was changed, and only as the page showed it."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db.models import Model

from notifier.runtime import versions

#: Posted by the page that asks before a row is deleted.
SEEN = "seen"


def lock(model: type[Model], object_id: str) -> None:
    """Keeps everybody else from the row until the transaction ends; nothing where the URL names none."""
    try:
        list(model._base_manager.select_for_update().filter(pk=unquote(object_id)).values_list("pk", flat=True))
    except (ValidationError, ValueError):
        return


def changed_columns(row: Model, form: Any) -> list[str]:
    """The fields in which the form made the row differ from what is stored, and those that note the time of it."""
    stored = type(row)._base_manager.get(pk=row.pk)
    fields = row._meta.concrete_fields
    changed = [
        field.name
        for field in fields
        if field.name in form.cleaned_data and _stored(field, row) != _stored(field, stored)
    ]
    return changed and [*changed, *(field.name for field in fields if getattr(field, "auto_now", False))]


def _stored(field: Any, row: Model) -> Any:
    return field.get_prep_value(getattr(row, field.attname))


def version_for_deletion(row: Any, goes_too: Iterable[Any]) -> str:
    """Of a row with its columns, and of all that is deleted with it, as the page that asks lists it."""
    columns = [getattr(row, field.attname) for field in row._meta.concrete_fields if field.name != "last_login"]
    return versions.digest([*columns, *_flat(goes_too)])


def _flat(nested: Iterable[Any]) -> Iterable[str]:
    for one in nested:
        if isinstance(one, list):
            yield from _flat(one)
        else:
            yield str(one)
