import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings

from notifier.fields import definitions, values
from notifier.fields.applying import ChangeOrigin
from notifier.models import Client, Preference
from notifier.saved_audiences import compiling, facts
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import known as knowing
from notifier.saved_audiences.document import BrokenAudience, Document, Group, Line
from tests.notifier.saved_audiences.randomly import World, a_document, a_line, a_world
from tests.support.factories import a_broadcast, a_client, a_delivery, a_field, a_tag

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

CLIENTS, DOCUMENTS = 120, 150


def everything(world: World) -> Document:
    """A document that names all there is, so that all facts are read at once."""
    lines = [
        *(Line(documents.FIELD, documents.KNOWN, one.id) for one in world.fields),
        *(Line(documents.TAG, documents.HAS, one.pk) for one in world.tags),
        *(Line(documents.CONSENT, documents.EITHER, one.pk) for one in world.topics),
        *(Line(documents.BROADCAST, documents.SENT, one.pk) for one in world.broadcasts),
        Line(documents.MESSAGES, documents.NONE_FOR, 0, (1,)),
    ]
    return Document(tuple(lines))


#: 150 documents and 120 clients each; before a release 12,000 documents.
SEEDS = [*range(3), *(pytest.param(seed, marks=pytest.mark.full) for seed in range(3, 40))]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Auckland"])
def test_sql_and_python_agree_on_every_client(seed: int, zone: str, now: datetime, settings: LazySettings) -> None:
    settings.TIME_ZONE = zone
    rng = random.Random(f"{seed} {zone}")
    world = a_world(rng, now, clients=CLIENTS)
    every = everything(world)
    known = knowing.of(every)
    clients = list(Client.objects.order_by("pk"))
    read = {client.pk: facts.of_client(client, every, known) for client in clients}

    for _ in range(DOCUMENTS):
        document = documents.parse(documents.as_json(a_document(rng, world)))
        in_sql = Client.objects.filter(compiling.members(document, now=now, known=known).q())
        expected = {pk for pk, one in read.items() if facts.is_member(document, one, known, now)}
        assert set(in_sql.values_list("pk", flat=True)) == expected, documents.as_json(document)


def test_a_condition_and_its_opposite_are_everybody_and_nobody_is_in_both(now: datetime) -> None:
    rng = random.Random(7)
    world = a_world(rng, now, clients=60)

    for _ in range(150):
        line = a_line(rng, world)
        other = Line(line.about, line.verb, line.id, line.values, not line.is_negated)
        one, opposite = (
            set(Client.objects.filter(compiling.members(Document((each,)), now=now).q()).values_list("pk", flat=True))
            for each in (line, other)
        )

        assert len(one) + len(opposite) == 60, line
        assert not one & opposite


def test_it_asks_from_consents_as_from_clients(now: datetime) -> None:
    rng = random.Random(11)
    world = a_world(rng, now, clients=60)
    topic = world.topics[0]

    for _ in range(100):
        members = compiling.members(a_document(rng, world), now=now)
        consents = Preference.objects.filter(topic=topic)

        found = set(consents.filter(members.q("client__")).values_list("client_id", flat=True))
        assert found == set(Client.objects.filter(members.q(), preferences__topic=topic).values_list("pk", flat=True))


def one_line(line: Line) -> Document:
    return Document((line,))


def matching(document: Document, now: datetime) -> list[str]:
    return sorted(compiling.members(document, now=now).clients().values_list("name", flat=True))


def test_a_missing_value_is_neither_less_nor_more_and_is_among_those_who_are_not(now: datetime) -> None:
    field = a_field(kind="WHOLE")
    definition = next(iter(definitions.of(field)))
    values.set_values(client_id=a_client(name="Three").pk, values={definition: 3}, origin=ChangeOrigin(), now=now)
    values.set_values(client_id=a_client(name="Four").pk, values={definition: 4}, origin=ChangeOrigin(), now=now)
    a_client(name="Nothing")

    def who(verb: str, *numbers: int, no: bool = False) -> list[str]:
        return matching(one_line(Line("field", verb, field.pk, numbers, no)), now)

    assert who("less", 4) == ["Three"]
    assert who("more", 3) == ["Four"]
    assert who("one_of", 3) == ["Three"]
    assert who("one_of", 3, no=True) == ["Four", "Nothing"]
    assert who("less", 4, no=True) == ["Four", "Nothing"]
    assert who("known", no=True) == ["Nothing"]


def test_a_language_is_that_in_which_a_client_is_written_to(now: datetime, settings: LazySettings) -> None:
    settings.CLIENT_LANGUAGES = ["en", "de"]
    for name, language in [("Default", None), ("English", "en"), ("German", "de"), ("Earlier", "it")]:
        a_client(name=name, language=language)

    def who(*codes: str, verb: str = "one_of", no: bool = False) -> list[str]:
        return matching(one_line(Line("language", verb, 0, codes, no)), now)

    assert who("en") == ["Default", "Earlier", "English"]
    assert who("de") == ["German"]
    assert who("de", no=True) == ["Default", "Earlier", "English"]
    assert who("en", "de") == ["Default", "Earlier", "English", "German"]
    assert who(verb="known", no=True) == ["Default"]


def test_a_language_that_clients_cannot_have_any_more_is_told(now: datetime, settings: LazySettings) -> None:
    settings.CLIENT_LANGUAGES = ["en"]

    with pytest.raises(BrokenAudience, match="can’t have any more: German"):
        compiling.members(one_line(Line("language", "one_of", 0, ("en", "de"))), now=now)


def test_archived_clients_are_in_no_audience(now: datetime) -> None:
    field = a_field(kind="WHOLE")
    a_client(name="Gone", is_active=False)
    a_client(name="Here")

    assert matching(one_line(Line("field", "known", field.pk, (), True)), now) == ["Here"]


@pytest.mark.parametrize("about", ["field", "tag", "consent", "broadcast"])
def test_what_is_gone_makes_nobody_and_everybody_an_error(about: str, now: datetime) -> None:
    a_client()
    line = Line(about, next(iter(documents.VERBS[about])), 987_654, (), False)

    for document in (one_line(line), Document((Group((line,), "any", True), Line("tag", "has", a_tag().pk)), "any")):
        with pytest.raises(BrokenAudience, match="deleted"):
            compiling.members(document, now=now)


WRONG: list[tuple[dict[str, Any], Line]] = [
    ({"kind": "WHOLE"}, Line("field", "contains", 0, ("x",))),
    ({"kind": "WHOLE"}, Line("field", "one_of", 0, ("x",))),
    ({"kind": "WHOLE"}, Line("field", "last_days", 0, (3,))),
    ({"kind": "TEXT"}, Line("field", "one_of", 0, (3,))),
    ({"kind": "TEXT"}, Line("field", "less", 0, ("x",))),
    ({"kind": "DATE"}, Line("field", "one_of", 0, (20260230,))),
    ({"kind": "YES_NO"}, Line("field", "one_of", 0, (2,))),
    ({"kind": "CHOICE", "options": ["A"]}, Line("field", "one_of", 0, (2,))),
    ({"kind": "CHOICES", "options": ["A"]}, Line("field", "any_of", 0, (2,))),
    ({"kind": "CHOICES", "options": ["A"]}, Line("field", "one_of", 0, (1,))),
]


@pytest.mark.parametrize(("fields", "line"), WRONG)
def test_a_condition_that_does_not_fit_its_field_is_an_error(fields: dict[str, Any], line: Line, now: datetime) -> None:
    field = a_field(**fields)

    with pytest.raises(BrokenAudience, match=field.label):
        compiling.members(one_line(Line(line.about, line.verb, field.pk, line.values)), now=now)


def test_what_was_settled_late_counts_from_then_on(now: datetime) -> None:
    """A consumer that stood still tells of a message after its broadcast has finished."""
    finished = now - timedelta(days=30, minutes=1)
    broadcast = a_broadcast(started_at=finished - timedelta(hours=1), finished_at=finished)
    client = a_client(name="Late")
    a_client(name="Never")
    a_delivery(
        broadcast=broadcast, client=client, state="SENT", settled_at=finished + timedelta(minutes=2), due_at=None
    )

    assert matching(one_line(Line("messages", "none_for", 0, (30,))), now) == ["Never"]


def test_days_are_those_of_the_business(settings: LazySettings, now: datetime) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    client = a_client(name="Late")
    # 23:30 UTC on the 9th is the 10th in Berlin.
    Client.objects.filter(pk=client.pk).update(created_at=datetime(2026, 6, 9, 23, 30, tzinfo=UTC))

    assert matching(one_line(Line("created", "least", 0, (20260610,))), now) == ["Late"]
    assert matching(one_line(Line("created", "less", 0, (20260610,))), now) == []


def test_the_last_days_end_at_the_moment_that_is_given(now: datetime) -> None:
    client = a_client(name="New")
    Client.objects.filter(pk=client.pk).update(created_at=now - timedelta(days=10))
    document = one_line(Line("created", "last_days", 0, (10,)))

    assert matching(document, now) == ["New"]
    assert matching(document, now + timedelta(seconds=1)) == []
