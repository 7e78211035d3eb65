# ruff: noqa: S608 - what is put into SQL as text are numbers and the names of columns
"""What an estate agency keeps about its clients, and whom it writes to again and again: five fields and five audiences.

Who has what comes of the client's number, so that the same clients always have the same.
"""

from datetime import datetime

from notifier.fields import definitions
from notifier.fields.applying import ChangeOrigin, wanted
from notifier.fields.definitions import Definition, OptionChange
from notifier.models import ClientField, SavedAudience, Topic
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import saving
from notifier.saved_audiences.document import Document, Group, Line
from notifier.values.texts import folded

ROLES = ("Buyer", "Seller", "Tenant", "Landlord")
BRANCHES = ("Altstadt", "Südstadt", "Nord")
TOWNS = ("Bonn", "Köln", "Bad Godesberg", "Siegburg", "Troisdorf", "Königswinter")
#: In small units: 19.99 is 199900.
_EURO = 10_000


def add_fields() -> dict[str, Definition]:
    """By their keys; those that are there stay as they are."""
    wanted_fields = {
        "role": ("Role", "CHOICE", ROLES),
        "town": ("Town", "TEXT", ()),
        "bedrooms": ("Bedrooms", "WHOLE", ()),
        "budget": ("Budget", "MONEY", ()),
        "branch": ("Branch", "CHOICE", BRANCHES),
    }
    for key, (label, kind, options) in wanted_fields.items():
        if ClientField.objects.filter(key=key).exists():
            continue
        field = ClientField(key=key, label=label, kind=kind, currency="EUR" if kind == "MONEY" else "")
        definitions.save(field)
        if options:
            changes = [OptionChange(None, option) for option in options]
            definitions.set_options(field=field, options=changes, now=field.created_at)
    found = ClientField.objects.filter(key__in=wanted_fields).in_order()
    return {one.key: one for one in definitions.of(*found)}


def give(fields: dict[str, Definition], *, now: datetime) -> None:
    """Values for the clients in the temporary table `demo_client`, within the caller's transaction.

    A fifth of them has none: there, too, staff do not know everything.
    """
    town, town_folded = _one_of(TOWNS), _one_of(tuple(folded(one) for one in TOWNS))
    columns = {
        "role": (f"1 + {_rest('id', 4)}",),
        "town": tuple(f"CASE WHEN {_rest('id', 7)} > 0 THEN {one} END" for one in (town, town_folded)),
        "bedrooms": (f"CASE WHEN {_rest('id', 3)} > 0 THEN 1 + {_rest('id / 2', 5)} END",),
        "budget": (f"CASE WHEN {_rest('id', 4)} = 0 THEN (20 + {_rest('id / 4', 60)}) * 10000 * {_EURO} END",),
        "branch": (f"1 + {_rest('id / 3', 3)}",),
    }
    chosen = [columns[key] for key in fields]
    with wanted([one.field for one in fields.values()], keeps_blank=True) as table:
        select = ", ".join(column for some in chosen for column in some)
        table.add_values_from(f"SELECT id, {select} FROM demo_client WHERE {_rest('id', 5)} > 0")
        table.apply(origin=ChangeOrigin(reason="demo data"), now=now)


def _one_of(names: tuple[str, ...]) -> str:
    """By the client's number, in SQL."""
    cases = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(names))
    return f"CASE {_rest('id / 5', len(names))} {cases} END"


def _rest(number: str, of: int) -> str:
    """What is left of it after a division, in SQL; with a percent sign it would be an argument's place."""
    return f"({number} - {number} / {of} * {of})"


def add_audiences(fields: dict[str, Definition], listings: Topic) -> int:
    """Those whose names are not taken yet; returns how many."""
    made = 0
    for name, (description, document) in _audiences(fields, listings).items():
        if not SavedAudience.objects.filter(folded=folded(name)).exists():
            saving.create(name=name, description=description, document=document, by=None)
            made += 1
    return made


def _audiences(fields: dict[str, Definition], listings: Topic) -> dict[str, tuple[str, Document]]:
    def about(key: str, verb: str, *values_: int | str, no: bool = False) -> Line:
        return Line(documents.FIELD, verb, fields[key].id, values_, no)

    buyers, owners = about("role", documents.ONE_OF, 1), about("role", documents.ONE_OF, 2, 4)
    agreed = Line(documents.CONSENT, documents.EITHER, listings.pk)
    return {
        "Buyers in Bonn": ("New homes in and around Bonn", Document((buyers, about("town", "one_of", *TOWNS[:3:2])))),
        "Families who are looking": (
            "Three bedrooms or more, to buy or to rent",
            Document((about("role", documents.ONE_OF, 1, 3), about("bedrooms", documents.LEAST, 3), agreed)),
        ),
        "Budget of 500,000 or more": (
            "For the homes that are shown to few",
            Document((buyers, about("budget", documents.LEAST, 500_000 * _EURO))),
        ),
        "Owners of the Altstadt branch": (
            "Sellers and landlords",
            Document((owners, about("branch", documents.ONE_OF, 1))),
        ),
        "Ask them what they want": (
            "Buyers and tenants of whom we know too little, and who had nothing for a month",
            Document(
                (
                    about("role", documents.ONE_OF, 1, 3),
                    Group((about("town", documents.KNOWN, no=True), about("bedrooms", documents.KNOWN, no=True))),
                    Line(documents.MESSAGES, documents.NONE_FOR, 0, (30,)),
                )
            ),
        ),
    }
