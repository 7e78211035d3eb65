"""Tags of clients: making, setting, renaming and merging them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from notifier.fields import usage
from notifier.fields.applying import ChangeOrigin, wanted
from notifier.messages.lines import validate_name
from notifier.models import Client, ClientField, ClientTag, Tag
from notifier.values.texts import folded

#: Clients in one transaction; a list may have a million.
CHUNK = 5_000
#: Between tags that are typed into one field, or stand in one cell.
SEPARATORS = ",;"
MAX_NAME_LETTERS = 60
#: Of one client; and all that there are. A page shows them all.
MAX_OF_CLIENT, MAX_TAGS = 50, 1_000


class TagInUse(Exception):
    """Something uses it, so it stays; the message tells staff what."""


# --- Tags themselves --------------------------------------------------------------------------------------------------
def check_name(name: str, *, besides: Tag | None = None) -> None:
    """Raises `ValidationError` where no tag can be called so."""
    if not name.strip():
        raise ValidationError(gettext("Enter a name."))
    validate_name(name)
    if len(name) > MAX_NAME_LETTERS:
        raise ValidationError(
            gettext("A tag’s name can have %(max_name_letters)s characters.") % {"max_name_letters": MAX_NAME_LETTERS}
        )
    if any(one in name for one in SEPARATORS):
        raise ValidationError(gettext("A tag can’t have a comma or a semicolon in its name: they separate tags."))
    others = Tag.objects.exclude(pk=besides.pk) if besides else Tag.objects.all()
    if found := others.filter(folded=folded(name)).first():
        raise ValidationError(gettext("There is a tag “%(found)s” already.") % {"found": found})


def add(name: str) -> Tag:
    """Raises `ValidationError`."""
    check_name(name)
    if Tag.objects.count() >= MAX_TAGS:
        raise ValidationError(
            gettext("There are %(max_tags)s tags already. Merge some, or delete those that nobody has.")
            % {"max_tags": f"{MAX_TAGS:,}"}
        )
    return Tag.objects.create(name=name, folded=folded(name))


def named(names: Iterable[str]) -> tuple[list[Tag], list[str]]:
    """The tags that are called so, however they are capitalised, and the names that are none's."""
    wanted_names = {folded(name): name for name in names}
    found = {tag.folded: tag for tag in Tag.objects.filter(folded__in=wanted_names)}
    return list(found.values()), [name for key, name in wanted_names.items() if key not in found]


def rename(*, tag: Tag, name: str, now: datetime) -> None:
    """Clients keep it. Raises `ValidationError` for a name that another tag has: merge them instead."""
    with transaction.atomic():
        row = Tag.objects.select_for_update().get(pk=tag.pk)
        check_name(name, besides=row)
        if row.name != name:
            row.former_names = [*(row.former_names or ()), [row.name, now.isoformat()]]
        row.name, row.folded = name, folded(name)
        row.save(update_fields=["name", "folded", "former_names"])
    tag.name, tag.folded, tag.former_names = row.name, row.folded, row.former_names


def reason_to_keep(tag: Tag) -> str:
    if uses_ := usage.uses_of(tag):
        why = f"“{tag}” can’t be deleted, because it is used by {usage.in_words(uses_)}."
        return f"{why} You can merge it into another tag."
    return ""


def delete(*, tag_id: int) -> None:
    """Raises `TagInUse` where something uses it. Whoever gives it to a client locks it: nobody comes in between."""
    with transaction.atomic():
        tag = Tag.objects.select_for_update().filter(pk=tag_id).first()
        if tag is None:
            return
        if reason := reason_to_keep(tag):
            raise TagInUse(reason)
        tag.delete()


# --- Clients' tags ----------------------------------------------------------------------------------------------------
def set_for_many(*, client_ids: Sequence[int], tags: Mapping[Tag, bool], origin: ChangeOrigin, now: datetime) -> int:
    """Give them these tags (True) or take them away (False); returns how many clients changed.

    In chunks: after a crash, the same call does the rest.
    """
    changed = 0
    for start in range(0, len(client_ids), CHUNK):
        ids = ", ".join(str(int(pk)) for pk in client_ids[start : start + CHUNK])
        with transaction.atomic(), wanted() as table:
            for tag, is_on in tags.items():
                table.add_tags_from(
                    f"SELECT id, {int(tag.pk)}, {'true' if is_on else 'false'} FROM {Client._meta.db_table} "  # noqa: S608
                    f"WHERE id IN ({ids})"
                )
            changed += table.apply(origin=origin, now=now)
    return changed


def merge(*, tag: Tag, into: Tag, origin: ChangeOrigin, now: datetime) -> int:
    """Give everybody who has `tag` the other one in its place, and delete it; returns how many clients that were.

    In chunks, each on record with each client. After a crash, the same call does the rest. An audience that names it
    names the other one afterwards, and nobody drops out of it meanwhile: they have both tags by the time that it does.
    Raises `ValidationError` with what speaks against it.
    """
    followers = usage.tag_followers()
    if reason := next(filter(None, (one.reason_not_to_merge(tag=tag, into=into) for one in followers)), ""):
        raise ValidationError(reason)
    if any(one.names_tag(tag) for one in followers):
        _give_besides(tag, into, origin, now)
    changed = 0
    while True:
        ids = list(ClientTag.objects.filter(tag=tag).order_by("client").values_list("client_id", flat=True)[:CHUNK])
        if ids:
            changed += set_for_many(client_ids=ids, tags={into: True, tag: False}, origin=origin, now=now)
            # Of clients who are erased or gone nothing is changed, and nothing stays.
            ClientTag.objects.filter(tag=tag, client__in=ids).delete()
            continue
        with transaction.atomic():
            for one in followers:
                # Again: an audience may have come to name it.
                one.take_merge(tag=tag, into=into, by=origin.by, now=now)
            Tag.objects.select_for_update().filter(pk=tag.pk).first()
            if not ClientTag.objects.filter(tag=tag).exists():
                Tag.objects.filter(pk=tag.pk).delete()
                return changed


def _give_besides(tag: Tag, into: Tag, origin: ChangeOrigin, now: datetime) -> None:
    """Give `into` to everybody who has `tag`, which stays for now; then whatever names `tag` names `into`."""
    lacking = ClientTag.objects.filter(tag=tag).exclude(client__in=ClientTag.objects.filter(tag=into).values("client"))
    last = 0
    while ids := list(lacking.filter(client__gt=last).order_by("client").values_list("client_id", flat=True)[:CHUNK]):
        set_for_many(client_ids=ids, tags={into: True}, origin=origin, now=now)
        last = ids[-1]
    with transaction.atomic():
        for one in usage.tag_followers():
            one.take_merge(tag=tag, into=into, by=origin.by, now=now)
        # Those who got it meanwhile; nobody else does before this is over, because the tag is locked.
        Tag.objects.select_for_update().filter(pk=tag.pk).first()
        ids = list(lacking.values_list("client_id", flat=True))
        set_for_many(client_ids=ids, tags={into: True}, origin=origin, now=now)


def of_client(client_id: int) -> list[Tag]:
    """By their names."""
    return list(Tag.objects.filter(client_tags__client=client_id).order_by("folded"))


def uses(thing: ClientField | Tag) -> list[str]:
    """How many clients have it; counted up to a point."""
    if not isinstance(thing, Tag):
        return []
    return usage.counted_clients(ClientTag.objects.filter(tag=thing)[: usage.MAX_COUNTED + 1].count())
