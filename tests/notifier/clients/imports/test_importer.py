import csv
import io
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from notifier.audience import standings, topic_counts
from notifier.audience.standings import Standing
from notifier.clients import erasure, export
from notifier.clients.imports import importer, writing
from notifier.clients.imports.columns import ConsentColumn
from notifier.clients.imports.staging import Staging
from notifier.clients.imports.writing import ClientsChanged
from notifier.consent import consents, preference_center, suppressions
from notifier.consent.consents import Origin
from notifier.consent.suppressions import Evidence, Source
from notifier.files.base import FileError
from notifier.models import Channel, Client, ConsentChange, ErasedAddress, Preference, Suppression
from tests.notifier.clients.imports.conftest import a_table, plan
from tests.support.factories import a_client, a_topic, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

Do = Callable[..., dict[str, int]]
EMAIL, SMS = Channel.EMAIL, Channel.SMS


def wishes(client: Client) -> dict[str, tuple[bool, bool]]:
    return {p.topic.slug: (p.email, p.sms) for p in client.preferences.select_related("topic")}


def columns_of(client: Client) -> dict[str, Any]:
    return dict(Client.objects.filter(pk=client.pk).values().get())


def consent(client: Client, now: datetime, **channels: bool) -> None:
    """Says yes or no to listings, as staff would record it."""
    origin = consents.Origin(ConsentChange.Source.STAFF)
    chosen = {Channel(name): wish for name, wish in channels.items()}
    consents.change(client=client, topic=a_topic(), wants=chosen, origin=origin, now=now)


def evidence(client: Client) -> list[tuple[str, str, bool, str]]:
    rows = ConsentChange.objects.filter(client=client).order_by("pk").select_related("topic")
    return [(row.topic.slug, row.channel, row.agreed, row.detail) for row in rows]


# --- Adding and changing ----------------------------------------------------------------------------------------------
def test_a_new_client_comes_with_consent_and_with_the_evidence_for_it(do: Do, now: datetime) -> None:
    user = a_user()

    counts = do("name,email,phone,listings e-mail,listings sms\nAnn,Ann@Example.com,+12025550123,yes,no", by=user)

    client = Client.objects.get()
    assert counts == {"added": 1}
    assert (client.name, client.email, str(client.phone)) == ("Ann", "ann@example.com", "+12025550123")
    assert (client.is_active, client.created_at, client.updated_at) == (True, now, now)
    assert wishes(client) == {"listings": (True, False)}
    change = ConsentChange.objects.get()
    assert (change.client, change.channel, change.agreed, change.at) == (client, EMAIL, True, now)
    assert (change.source, change.by, change.detail) == ("IMPORT", user, "spring.csv")


def test_what_it_does_to_clients_is_in_their_history(do: Do, now: datetime) -> None:
    user, old = a_user(), a_client(name="Bob", email="bob@example.com", phone=None)

    do("name,email\nAnn,ann@example.com\nRobert,bob@example.com", by=user)

    added = Client.objects.get(name="Ann").history.get()
    changed = old.history.order_by("history_id").last()
    assert (added.history_type, added.history_user, added.history_date) == ("+", user, now)
    assert (changed.history_type, changed.name, changed.history_user) == ("~", "Robert", user)
    assert {added.history_change_reason, changed.history_change_reason} == {"Import of spring.csv"}
    assert old.history.count() == 2


@pytest.mark.parametrize("row", ["Anna,ann@example.com,", "Anna,,+12025550123", "Anna,ANN@example.com,+1 202 555 0123"])
def test_a_client_is_found_by_either_address(do: Do, row: str) -> None:
    client = a_client(name="Ann", email="ann@example.com", phone="+12025550123")

    assert do(f"name,email,phone\n{row}") == {"changed": 1}

    after = columns_of(client)
    assert (after["name"], after["email"], str(after["phone"])) == ("Anna", "ann@example.com", "+12025550123")


def test_who_is_found_by_one_address_gets_the_other(do: Do) -> None:
    client = a_client(email="ann@example.com", phone="+12025550123")

    do("email,phone\nann@example.com,+12025550124")
    do("email,phone\nanna@example.com,+12025550124")

    after = columns_of(client)
    assert (after["email"], str(after["phone"])) == ("anna@example.com", "+12025550124")


def test_a_blank_cell_leaves_what_is_there(do: Do) -> None:
    client = a_client(name="Ann", email="ann@example.com", listings="both")
    before = columns_of(client)

    assert do("name,email,phone,listings,offerings\n,ann@example.com,,,") == {"unchanged": 1}

    assert columns_of(client) == before
    assert wishes(client) == {"listings": (True, True)}
    assert client.history.count() == 1


def test_importing_the_same_file_again_changes_nothing(do: Do) -> None:
    text = "name,email,listings\nAnn,ann@example.com,both\nBob,bob@example.com,sms"
    do(text)
    rows = ConsentChange.objects.count()

    assert do(text) == {"unchanged": 2}

    assert ConsentChange.objects.count() == rows == 3
    assert Client.history.count() == 2


def test_no_takes_consent_back_and_is_written_down(do: Do, now: datetime) -> None:
    client = a_client(email="ann@example.com")
    consent(client, now, email=True, sms=True)

    assert do("email,listings e-mail\nann@example.com,no") == {"changed": 1}

    assert wishes(client) == {"listings": (False, True)}
    assert evidence(client)[-1] == ("listings", "email", False, "spring.csv")


def test_a_no_from_somebody_who_never_said_yes_is_no_change(do: Do) -> None:
    client = a_client(email="ann@example.com")

    assert do("email,listings\nann@example.com,neither") == {"unchanged": 1}

    assert (wishes(client), evidence(client)) == ({}, [])


def test_an_archived_client_stays_archived(do: Do) -> None:
    client = a_client(name="Ann", email="ann@example.com", is_active=False)

    assert do("name,email,listings\nAnna,ann@example.com,both") == {"changed": 1, "archived": 1}

    assert columns_of(client)["is_active"] is False


def test_a_suppressed_address_stays_suppressed(do: Do) -> None:
    Suppression.objects.create(channel=EMAIL, address="ann@example.com", reason="asked us to")

    assert do("name,email,listings\nAnn,ann@example.com,both") == {"added": 1, "suppressed": 1}

    assert Suppression.objects.count() == 1


def test_an_address_that_was_erased_stays_silent_and_the_plan_says_so(do: Do, now: datetime) -> None:
    """The list is imported again, as it was exported before somebody was erased."""
    text = "name,email,phone,listings\nAnn,Ann@Example.com,+12025550123,both\nBob,bob@example.com,,both"
    do(text)
    ann = Client.objects.get(name="Ann")
    erasure.erase(client_id=ann.pk, by=None, why="asked", now=now)

    planned = plan(text)
    assert planned.counts["suppressed"] == 1
    assert [one.is_suppressed for one in planned.first] == [True, False]
    assert not Suppression.objects.filter(address="ann@example.com").exists()

    assert do(text) == {"added": 1, "unchanged": 1, "suppressed": 1}

    again = Client.objects.get(name="Ann")
    assert again.pk != ann.pk
    silent = Suppression.objects.values_list("channel", "address", "source")
    assert set(silent) == {("email", "ann@example.com", "ERASED"), ("sms", "+12025550123", "ERASED")}
    reach = topic_counts.reach(topic=a_topic())
    assert (reach[EMAIL].recipients, reach[SMS].recipients) == (1, 0)


def test_the_plan_tells_of_each_row_whether_its_number_is_a_landlines(do: Do) -> None:
    do("name,email,phone\nAnn,ann@example.com,+493012345678")

    planned = plan(
        "name,email,phone\nAnn,ann@example.com,\nBob,bob@example.com,+493087654321\nCem,cem@example.com,+4915112345678"
    )

    assert [bool(one.is_landline) for one in planned.first] == [True, True, False]


def test_a_client_who_gets_an_erased_address_by_an_import_is_silent(do: Do, now: datetime) -> None:
    gone = a_client(email=None, phone="+12025550123")
    erasure.erase(client_id=gone.pk, by=None, why="asked", now=now)
    a_client(name="Bob", email="bob@example.com", phone=None, listings="both")

    assert do("name,email,phone\nBob,bob@example.com,+1 202 555 0123") == {"changed": 1, "suppressed": 1}

    assert Suppression.objects.get(address="+12025550123").source == "ERASED"


def test_more_rows_than_are_looked_at_at_once_are_recognised(do: Do, now: datetime) -> None:
    numbers = [0, 1_999, 2_000, 2_345]
    for number in numbers:
        client = a_client(email=f"c{number}@example.com", phone=None)
        erasure.erase(client_id=client.pk, by=None, why="asked", now=now)
    lines = "\n".join(f"C{number},c{number}@example.com" for number in range(2_500))

    assert do(f"name,email\n{lines}") == {"added": 2_500, "suppressed": len(numbers)}

    readable = {f"c{number}@example.com" for number in numbers}
    assert set(Suppression.objects.values_list("address", flat=True)) == readable


@given(
    how=st.sampled_from(["as it was", "UPPER", "spaced", "changed by hand"]),
    source=st.sampled_from([None, *Source]),
    erases=st.booleans(),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_import_subscribes_whoever_is_silent(
    do: Do, now: datetime, how: str, source: Source | None, erases: bool
) -> None:
    """By whatever it came about, and however the address is written in the file."""
    assume(erases or source is not None)
    Suppression.objects.all().delete()
    ErasedAddress.objects.all().delete()
    client = a_client(listings="email")
    email = str(client.email)
    if source is not None:
        suppressions.suppress(channel=EMAIL, address=email, evidence=Evidence(source, "a test"), now=now)
    if erases:
        erasure.erase(client_id=client.pk, by=None, why="asked", now=now)
    written = {"UPPER": email.upper(), "spaced": f"  {email} "}.get(how, email)

    for _ in range(2):
        assert do(f"name,email,listings\nAnn,{written},both", reason="they asked us to").get("suppressed") == 1

    with_address = Client.objects.get(email=email)
    assert not standings.who(topic=a_topic(), channel=EMAIL, standing=Standing.RECIPIENTS).filter(pk=with_address.pk)
    assert Suppression.objects.get(address=email).source == ("ERASED" if erases and not _own(source) else source)


def _own(source: Source | None) -> bool:
    return source in Suppression.CLIENT_REQUESTED


# --- Who opted out ----------------------------------------------------------------------------------------------------
def test_who_opted_out_is_not_subscribed_again(do: Do, now: datetime) -> None:
    client = a_client(name="Ann", email="ann@example.com")
    consent(client, now, email=True, sms=True)
    consent(client, now, email=False)

    counts = do("name,email,listings,offerings\nAnna,ann@example.com,both,e-mail")

    assert counts == {"changed": 1, "kept_out": 1}
    assert columns_of(client)["name"] == "Anna"
    assert wishes(client) == {"listings": (False, True), "offerings": (True, False)}
    assert [row[:3] for row in evidence(client)][-1] == ("offerings", "email", True)


def test_who_opted_out_by_an_earlier_file_is_not_subscribed_again_by_a_later_one(do: Do) -> None:
    do("name,email,listings\nAnn,ann@example.com,both")
    do("email,listings\nann@example.com,neither")

    assert do("email,listings\nann@example.com,both") == {"unchanged": 1, "kept_out": 1}

    assert wishes(Client.objects.get()) == {"listings": (False, False)}


def test_who_opted_out_before_records_began_is_not_subscribed_again(do: Do) -> None:
    client = a_client(email="ann@example.com", listings="neither")

    assert do("email,listings\nann@example.com,both") == {"unchanged": 1, "kept_out": 1}

    assert wishes(client) == {"listings": (False, False)}


def test_who_wanted_one_channel_may_agree_to_the_other(do: Do, now: datetime) -> None:
    client = a_client(email="ann@example.com")
    consent(client, now, email=True)

    assert do("email,listings sms\nann@example.com,yes") == {"changed": 1}

    assert wishes(client) == {"listings": (True, True)}


def test_found_by_phone_under_a_new_e_mail_address_the_client_has_opted_out_all_the_same(do: Do, now: datetime) -> None:
    client = a_client(email="ann@example.com", phone="+12025550123")
    consent(client, now, email=True)
    consent(client, now, email=False)

    counts = do("email,phone,listings e-mail\nnew@example.com,+12025550123,yes")

    assert counts == {"changed": 1, "kept_out": 1}
    assert wishes(client) == {"listings": (False, False)}


def test_who_stopped_everything_is_not_subscribed_to_what_they_were_never_asked_about(do: Do, now: datetime) -> None:
    client = a_client(email="ann@example.com", phone="+12025550123")
    consent(client, now, email=True)
    origin = Origin(ConsentChange.Source.PAGE)
    preference_center.stop_everything(client_id=client.pk, origin=origin, now=now)
    file = "email,phone,listings,offerings\nann@example.com,+12025550123,both,both"

    assert do(file) == {"unchanged": 1, "kept_out": 1}
    assert wishes(client) == {"listings": (False, False)}

    # A topic that came later, and a new address, are no way around it.
    a_topic(slug="later")
    assert do("email,phone,later\nnew@example.com,+12025550123,both") == {"changed": 1, "kept_out": 1}
    assert wishes(client) == {"listings": (False, False)}

    assert do(file.replace("ann@", "new@"), reason="signed the form in May")["resubscribed"] == 1
    assert wishes(client) == {"listings": (True, True), "offerings": (True, True)}


def test_with_a_reason_who_opted_out_is_subscribed_again_and_the_reason_is_kept(do: Do, now: datetime) -> None:
    client = a_client(email="ann@example.com")
    consent(client, now, email=True)
    consent(client, now, email=False)

    counts = do("email,listings\nann@example.com,both", reason="signed the form in May")

    assert counts == {"changed": 1, "resubscribed": 1}
    assert wishes(client) == {"listings": (True, True)}
    assert evidence(client)[-2:] == [
        ("listings", "email", True, "spring.csv: signed the form in May"),
        ("listings", "sms", True, "spring.csv"),
    ]


# --- Rows that can't be taken -----------------------------------------------------------------------------------------
def mistakes(text: str) -> dict[int, list[tuple[int, str]]]:
    return {one.row.line: one.mistakes for one in plan(text).refused}


def test_the_addresses_of_two_clients_in_one_row_are_no_client() -> None:
    ann, bob = a_client(name="Ann", email="ann@example.com"), a_client(name="Bob", phone="+12025550123")

    (refused,) = plan("email,phone\nann@example.com,+12025550123").refused

    words = f"belongs to Ann (client {ann.pk}), but the phone number belongs to Bob (client {bob.pk})."
    assert refused.mistakes == [(1, f"The e-mail address {words}")]
    assert refused.owners == [(ann.pk, "Ann"), (bob.pk, "Bob")]


def test_of_two_rows_with_the_same_address_the_second_is_not_taken_and_names_the_first(do: Do) -> None:
    text = (
        "name,email,phone\nAnn,ann@example.com,\nBob,bob@example.com,+12025550123\n"
        "Ann,ANN@example.com,\nRob,,+1 202 555 0123\n"
    )

    assert mistakes(text) == {
        4: [(1, "The same e-mail address is already on line 2.")],
        5: [(2, "The same phone number is already on line 3.")],
    }
    assert do(text) == {"added": 2, "failed": 2}
    assert set(Client.objects.values_list("name", flat=True)) == {"Ann", "Bob"}


def test_two_rows_may_be_the_same_client_by_different_addresses() -> None:
    a_client(email="ann@example.com", phone="+12025550123")

    assert mistakes("name,email,phone\nAnn,ann@example.com,\nAnna,,+12025550123") == {
        3: [(-1, "It is the same client as on line 2.")]
    }


def test_a_new_client_needs_a_name_and_a_known_one_does_not() -> None:
    a_client(email="ann@example.com")

    assert mistakes("name,email\n,ann@example.com\n,bob@example.com") == {
        3: [(0, "A new client needs a name. No existing client has this address.")]
    }


def test_all_that_is_wrong_with_a_row_is_told_by_cell() -> None:
    found = mistakes("name,email,phone,listings\nAnn,ann@,12,maybe")

    assert [column for column, _ in found[2]] == [1, 2, 3]


def test_the_file_of_rows_that_were_not_taken_can_be_mended_and_imported(do: Do) -> None:
    text = "name,email,listings\n=1+1,ann@example.com,both\n=2+2,ann@,both"
    found = plan(text)
    assert [one.row.line for one in found.refused] == [3]
    written = b"".join(importer.refused_csv(a_table(text), iter(found.refused))).decode()
    assert "'=2+2" in written

    assert do(written.removeprefix("\ufeff").replace("ann@,", "bob@example.com,")) == {"added": 1}

    assert Client.objects.get().name == "=2+2"


# --- All or nothing ---------------------------------------------------------------------------------------------------
def test_a_file_that_breaks_off_changes_nothing(do: Do) -> None:
    rows = "\n".join(f"Ann {number},ann{number}@example.com" for number in range(5_000))

    with pytest.raises(FileError, match=r"^The row on line 5002 has an opening quotation mark"):
        do(f'name,email\n{rows}\n"Bob,bob@example.com')

    assert not Client.objects.exists()


def test_what_fails_at_the_very_end_changes_nothing(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    client = a_client(name="Ann", email="ann@example.com")
    before = columns_of(client)

    def fail(writer: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(writing._Writer, "record_consent", fail)
    with pytest.raises(OSError, match="no room"):
        do("name,email,listings\nAnna,ann@example.com,both\nBob,bob@example.com,both")

    assert Client.objects.count() == 1
    assert columns_of(client) == before
    assert not Preference.objects.exists()
    assert client.history.count() == 1


def test_an_address_that_is_taken_in_the_same_moment_changes_nothing_and_can_be_tried_again(
    do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = writing._Writer.check

    def somebody_is_faster(writer: writing._Writer) -> None:
        check(writer)
        a_client(name="Bobby", email="bob@example.com")

    monkeypatch.setattr(writing._Writer, "check", somebody_is_faster)
    with pytest.raises(ClientsChanged):
        do("name,email\nAnn,ann@example.com\nBob,bob@example.com")

    assert not Client.objects.filter(name__in=["Ann", "Bob"]).exists()


def test_a_client_who_is_erased_in_the_same_moment_does_not_get_the_address_back(
    do: Do, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = a_client(email="ann@example.com", phone=None)
    match = Staging.match

    def somebody_is_faster(stage: Staging, **options: bool) -> None:
        match(stage, **options)
        Client.objects.filter(pk=client.pk).update(email=None, name="", erased_at=now)

    monkeypatch.setattr(Staging, "match", somebody_is_faster)
    with pytest.raises(ClientsChanged):
        do("name,email,listings\nAnn,ann@example.com,both")

    assert columns_of(client)["email"] is None or columns_of(client)["erased_at"] is None


def test_nothing_of_a_file_stays_behind_on_the_connection(do: Do) -> None:
    do("name,email\nAnn,ann@example.com")

    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
    assert not [name for name in names if name.startswith("import_")]
    assert do("name,email\nAnn,ann@example.com") == {"unchanged": 1}


# --- Looking first ----------------------------------------------------------------------------------------------------
def test_a_plan_tells_what_would_be_and_changes_nothing(now: datetime) -> None:
    client = a_client(name="Ann", email="ann@example.com", phone=None)
    consent(client, now, email=True)
    consent(client, now, email=False)

    found = plan("name,email,listings\nAnna,ann@example.com,both\nBob,bob@example.com,sms\nEve,eve@,")

    listings = a_topic().pk
    assert {name: found.counts[name] for name in ("added", "changed", "failed", "kept_out")} == {
        "added": 1,
        "changed": 1,
        "failed": 1,
        "kept_out": 1,
    }
    assert [(one.line, one.is_new, one.alters, one.name) for one in found.first] == [
        (2, False, True, "Anna"),
        (3, True, False, "Bob"),
    ]
    assert found.first[0].changes == {ConsentColumn(listings, "sms"): True}
    assert found.first[0].kept_out == [ConsentColumn(listings, "email")]
    assert [one.row.line for one in found.refused] == [4]
    assert columns_of(client)["name"] == "Ann"
    assert Client.objects.count() == 1


# --- Time zones -------------------------------------------------------------------------------------------------------
def test_a_time_zone_is_taken_over_and_a_blank_cell_leaves_it(do: Do) -> None:
    do("name,email,time zone\nAnn,ann@example.com,Europe/London\nBob,bob@example.com,")
    ann, bob = Client.objects.order_by("name")
    assert (ann.time_zone, bob.time_zone) == ("Europe/London", "")

    assert do("email,time zone\nann@example.com,Asia/Tokyo\nbob@example.com,") == {"changed": 1, "unchanged": 1}
    assert do("email,time zone\nann@example.com,\nbob@example.com,") == {"unchanged": 2}

    zones = list(ann.history.order_by("history_id").values_list("time_zone", flat=True))
    assert zones == ["Europe/London", "Asia/Tokyo"]
    ann.refresh_from_db()
    assert ann.time_zone == "Asia/Tokyo"


# --- Languages --------------------------------------------------------------------------------------------------------
def test_a_language_is_taken_over_however_it_is_called_and_a_blank_cell_leaves_it(do: Do) -> None:
    do("name,email,Sprache\nAnn,ann@example.com,Deutsch\nBob,bob@example.com,")
    ann, bob = Client.objects.order_by("name")
    assert (ann.language, bob.language) == ("de", None)

    assert do("email,language\nann@example.com,French\nbob@example.com,") == {"changed": 1, "unchanged": 1}
    assert do("email,language\nann@example.com,\nbob@example.com,") == {"unchanged": 2}
    assert do("email,language\nann@example.com,Klingon\nbob@example.com,ES") == {"changed": 1, "failed": 1}

    assert list(ann.history.order_by("history_id").values_list("language", flat=True)) == ["de", "fr"]
    ann.refresh_from_db()
    bob.refresh_from_db()
    assert (ann.language, bob.language) == ("fr", "es")


# --- Two rows of one client -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "rows",
    [
        ["Ann,ann@example.com,,yes", "Ann,ann@example.com,,no"],
        ["Ann,ann@example.com,,no", "Ann,ann@example.com,,yes"],
        ["Ann,ann@example.com,+12025550123,yes", "Ann,,+12025550123,no"],
        # One that is refused for another reason says no all the same.
        ["Ann,ann@example.com,,yes", "Ann,ann@example.com,+12,no"],
        ["Ann,ann@example.com,,", "Ann,ann@example.com,,yes", "Ann,ann@example.com,,no"],
    ],
)
def test_a_no_wins_over_a_yes_in_the_same_file(do: Do, rows: list[str]) -> None:
    do("\n".join(["name,email,phone,listings e-mail", *rows]))

    assert wishes(Client.objects.get()) == {}


def test_a_no_wins_for_a_client_who_is_found_by_either_address(do: Do, now: datetime) -> None:
    client = a_client(name="Ann", email="ann@example.com", phone="+12025550123")
    consent(client, now, email=True)

    do("email,phone,listings e-mail\nann@example.com,,yes\n,+12025550123,no\nbob@example.com,,no")

    assert wishes(client) == {"listings": (False, False)}


def test_a_yes_of_a_row_that_is_not_taken_counts_for_nothing(do: Do) -> None:
    do("name,email,listings e-mail\nAnn,ann@example.com,\nAnn,ann@example.com,yes\nBob,bob@example.com,yes")

    assert wishes(Client.objects.get(name="Ann")) == {}
    assert wishes(Client.objects.get(name="Bob")) == {"listings": (True, False)}


def test_the_no_of_a_row_that_is_not_taken_counts(do: Do) -> None:
    do("name,email,listings e-mail\nAnn,ann@example.com,yes\nAnn,ann@example.com,no,see note\nBob,bob@example.com,yes")

    assert wishes(Client.objects.get(name="Ann")) == {}
    assert wishes(Client.objects.get(name="Bob")) == {"listings": (True, False)}


@pytest.mark.parametrize(
    "rows",
    [
        ["Ann,ann@example.com,,yes", "Ann,ann@example.com,,maybe"],
        ["Ann,ann@example.com,,maybe", "Ann,ann@example.com,,yes"],
        ["Ann,ann@example.com,,[a formula without its result]", "Ann,ann@example.com,,yes"],
        ["Ann,ann@example.com,+12025550123,yes", "Ann,,+12025550123,maybe"],
        ["Ann,ann@example.com,,yes", "Ann,ann@example.com,+12,maybe"],
    ],
)
def test_a_wish_that_can_not_be_read_lets_no_yes_of_the_same_client_count(do: Do, rows: list[str]) -> None:
    counts = do("\n".join(["name,email,phone,listings e-mail", *rows]))

    assert wishes(Client.objects.get()) == {}
    assert counts == {"added": 1, "failed": 1, "unclear": 1}


def test_it_leaves_what_is_stored_what_is_about_something_else_and_other_clients(do: Do, now: datetime) -> None:
    ann = a_client(name="Ann", email="ann@example.com", phone="+12025550123")
    consent(ann, now, email=True)

    counts = do(
        "name,email,phone,listings,offerings\nAnn,ann@example.com,,both,sms\n,,+12025550123,?,\nBob,bob@example.com,,both,"
    )

    assert wishes(ann) == {"listings": (True, False), "offerings": (False, True)}
    assert wishes(Client.objects.get(name="Bob")) == {"listings": (True, True)}
    assert counts == {"added": 1, "changed": 1, "failed": 1, "unclear": 1}


def test_a_no_wins_over_what_can_not_be_read_as_well(do: Do, now: datetime) -> None:
    ann = a_client(name="Ann", email="ann@example.com")
    consent(ann, now, email=True)

    do("email,listings e-mail\nann@example.com,yes\nann@example.com,maybe\nann@example.com,no")

    assert wishes(ann) == {"listings": (False, False)}


def test_the_plan_tells_which_consent_is_left_as_it_is(do: Do) -> None:
    found = plan("name,email,listings\nAnn,ann@example.com,both\nAnn,ann@example.com,maybe")

    listings = a_topic().pk
    assert found.first[0].changes == {}
    assert found.first[0].unclear == [ConsentColumn(listings, "email"), ConsentColumn(listings, "sms")]


def test_landlines_are_counted(do: Do) -> None:
    assert do("name,phone\nAnn,+493012345678\nBob,+4915112345678") == {"added": 2, "landlines": 1}


def test_a_landline_is_kept_as_one_and_a_row_without_a_number_leaves_it(do: Do) -> None:
    ann, bob, cleo = (a_client(name=name, email=f"{name}@example.com") for name in ("ann", "bob", "cleo"))
    Client.objects.filter(pk__in=[bob.pk, cleo.pk]).update(phone=None)
    Client.objects.filter(pk=bob.pk).update(phone="+493012345670", landline_ending="5670")
    Client.objects.filter(pk=cleo.pk).update(phone="+493012345671", landline_ending="5671")

    do(
        "name,email,phone\nAnn,ann@example.com,+49 30 12345678\nBob,bob@example.com,+4915112345678\n"
        "Cleopatra,cleo@example.com,\nDee,,030 12345679\nEve,,+49 30 12345679"
    )

    found = {client.name: (str(client.phone), client.landline_ending) for client in Client.objects.order_by("pk")}
    assert found == {
        "Ann": ("+493012345678", "5678"),
        "Bob": ("+4915112345678", None),
        "Cleopatra": ("+493012345671", "5671"),
        "Eve": ("+493012345679", "5679"),
    }
    assert {client.name for client in Client.objects.all() if client.has_landline} == {"Ann", "Cleopatra", "Eve"}
    assert ann.pk == Client.objects.get(name="Ann").pk


# --- An opt-out in a row that is rejected -----------------------------------------------------------------------------
#: What stands in a cell for ann@example.com, and is refused as an address.
EMAILS_AROUND = [
    "ann\u200b@example.com",
    "ann@exam\u200bple.com",
    "mailto:ann@example.com",
    "mailto:ann%40example.com?subject=Stop",
    "Ann <ann@example.com>",
    "Ann Example (ann@example.com)",
    "<ann@example.com>",
    "ann@example.com.",
    "“ann@example.com”",
    "ann@example.com - gone",
    "\ufeffANN@example.com\u2060.",
]
PHONES_AROUND = [
    "+39 347 123 4567/5",
    "+39 347 1234567.0",
    "+39 347 123 4567; +393471234567",
    "+39 347 123 4567 (mobile)",
    "0039 347 123 4567",
    "tel:\u2060+393471234567.0 or none",
]


@pytest.mark.parametrize("cell", EMAILS_AROUND)
def test_a_no_is_heard_whatever_stands_around_the_address(do: Do, now: datetime, cell: str) -> None:
    client = a_client(name="Ann", email="ann@example.com", phone=None)
    consent(client, now, email=True, sms=True)
    before = columns_of(client)

    counts = do(f'name,email,listings e-mail,listings sms\nEve,"{cell}",no,yes')

    assert counts == {"failed": 1, "withdrawn": 1}
    assert (wishes(client), columns_of(client)) == ({"listings": (False, True)}, before)
    assert evidence(client)[-1] == ("listings", "email", False, "spring.csv")


@pytest.mark.parametrize("cell", PHONES_AROUND)
def test_a_no_is_heard_whatever_stands_around_the_number(do: Do, now: datetime, cell: str) -> None:
    client = a_client(email=None, phone="+393471234567")
    consent(client, now, sms=True)

    assert do(f'name,phone,listings sms\nEve,"{cell}",no') == {"failed": 1, "withdrawn": 1}

    assert wishes(client) == {"listings": (False, False)}


@pytest.mark.parametrize("cell", EMAILS_AROUND)
def test_a_yes_is_never_guessed(do: Do, cell: str) -> None:
    client = a_client(email="ann@example.com")

    assert do(f'name,email,listings\nEve,"{cell}",both') == {"failed": 1}

    assert (wishes(client), evidence(client), Client.objects.count()) == ({}, [], 1)


@pytest.mark.parametrize(
    "row",
    [
        "Ann,ann@example.com,,Mars,no",
        "nan,ann@example.com,,,no",
        "Ann,ann@example.com,12,,no",
        "Ann,ann at home,+12025550123,,no",
    ],
)
def test_a_no_is_heard_whichever_cell_the_row_is_rejected_for(do: Do, now: datetime, row: str) -> None:
    client = a_client(email="ann@example.com", phone="+12025550123")
    consent(client, now, email=True)

    assert do(f"name,email,phone,time zone,listings e-mail\n{row}") == {"failed": 1, "withdrawn": 1}

    assert wishes(client) == {"listings": (False, False)}


def test_a_no_is_heard_behind_a_row_that_is_rejected_itself(do: Do, now: datetime) -> None:
    client = a_client(name="Ann", email="ann@example.com", phone=None)
    a_client(name="Bob", email=None, phone="+12025550123")
    consent(client, now, email=True)

    counts = do("email,phone,listings e-mail\nann@example.com,+12025550123,\nann@example.com,,no")

    assert counts == {"failed": 2, "withdrawn": 1}
    assert wishes(client) == {"listings": (False, False)}


def test_a_no_in_a_rejected_row_wins_over_the_yes_of_a_row_that_is_taken(do: Do, now: datetime) -> None:
    client = a_client(name="Ann", email="ann@example.com")
    consent(client, now, email=True)

    counts = do("name,email,listings e-mail\nAnn,ann@example.com,yes\nAnn,Ann <ann@example.com>,no")

    assert counts == {"changed": 1, "failed": 1}
    assert wishes(client) == {"listings": (False, False)}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("Ann,ann at example.com,,no,", "not an e-mail address"),
        ('Ann,"ann@example.com, bob@example.com",,no,', "not an e-mail address"),
        ("Ann,,,no,", "There is no e-mail address"),
        ("Ann,mailto:gone@example.com,,no,", "not an e-mail address"),
        ("Ann,ann@example.com,+12025550123,no,", "belongs to"),
        ("Ann,Ann <ann@example.com>,+12025550123,no,", "not an e-mail address"),
        ("Ann,ann@example.com,,no,,no", "more cells than the header"),
    ],
)
def test_an_opt_out_that_cannot_be_applied_comes_first_and_says_what_to_do(
    do: Do, now: datetime, row: str, why: str
) -> None:
    ann, bob = a_client(name="Ann", email="ann@example.com", phone=None), a_client(name="Bob", phone="+12025550123")
    consent(ann, now, email=True)
    consent(bob, now, email=True)
    text = f"name,email,phone,listings e-mail,listings sms\n,bad,,yes,\n{row}\n,worse,,,yes"

    found = plan(text)

    assert (found.counts["failed"], found.counts["lost"], found.counts["withdrawn"]) == (3, 1, 0)
    assert [one.row.line for one in found.refused] == [3, 2, 4]
    first, *others = [text for _, text in found.refused[0].mistakes]
    assert first.startswith("An opt-out that can’t be applied")
    assert "turn the consent off on the client’s page" in first
    assert why in others[0]
    assert do(text) == {"failed": 3, "lost": 1}
    assert [wishes(ann), wishes(bob)] == [{"listings": (True, False)}] * 2


def test_a_rejected_row_says_that_its_opt_out_is_applied(now: datetime) -> None:
    consent(a_client(email="ann@example.com"), now, email=True)

    (refused,) = plan("name,email,listings e-mail\nAnn,mailto:ann@example.com,no").refused

    assert refused.mistakes[-1][1] == "The opt-out in this row is still applied."


def test_a_client_who_changed_since_is_not_opted_out_by_a_rejected_row(do: Do, now: datetime) -> None:
    client = a_client(email="ann@example.com", phone=None)
    consent(client, now, email=True)
    found = plan("name,email,listings e-mail\nAnn,mailto:ann@example.com,no")
    Client.objects.filter(pk=client.pk).update(email="anna@example.com")

    assert found.version != plan("name,email,listings e-mail\nAnn,mailto:ann@example.com,no").version


# --- First, last and full names ---------------------------------------------------------------------------------------
def names_of(client: Client) -> tuple[str, str, str]:
    client.refresh_from_db()
    return client.name, client.first_name, client.last_name


@pytest.mark.parametrize(
    ("row", "called"),
    [
        (",Ann,Lee", ("Ann Lee", "Ann", "Lee")),
        ("Cher,,", ("Cher", "", "")),
        ("Ann Lee,Ann,Lee", ("Ann Lee", "Ann", "Lee")),
        # Both parts win over what stands beside them.
        ("Lee (the tall one),Ann,Lee", ("Ann Lee", "Ann", "Lee")),
        ("Teller,Teller,", ("Teller", "Teller", "")),
        ("Mrs Fay Moss,Fay,", ("Mrs Fay Moss", "", "")),
        (",Fay,", ("Fay", "Fay", "")),
        (",,Moss", ("Moss", "", "Moss")),
    ],
)
def test_a_new_client_gets_the_parts_that_make_the_full_name(do: Do, row: str, called: tuple[str, str, str]) -> None:
    assert do(f"name,first name,last name,email\n{row},ann@example.com") == {"added": 1}

    client = Client.objects.get()
    assert names_of(client) == called
    version = client.history.get()
    assert (version.name, version.first_name, version.last_name) == called


@pytest.mark.parametrize(
    ("row", "called"),
    [
        ("Ann Lee,,", ("Ann Lee", "Ann", "Lee")),
        (",,", ("Ann Lee", "Ann", "Lee")),
        (",Anna,", ("Ann Lee", "Ann", "Lee")),
        ("Moss and Sons,,", ("Moss and Sons", "", "")),
        (",Ann,Moss", ("Ann Moss", "Ann", "Moss")),
        (",Ann Lee,Moss", ("Ann Lee Moss", "Ann Lee", "Moss")),
    ],
)
def test_a_client_who_is_there_keeps_the_parts_of_the_same_name(do: Do, row: str, called: tuple[str, str, str]) -> None:
    client = a_client(first_name="Ann", last_name="Lee", email="ann@example.com")

    counts = do(f"name,first name,last name,email\n{row},ann@example.com")

    assert names_of(client) == called
    assert counts == ({"unchanged": 1} if called == ("Ann Lee", "Ann", "Lee") else {"changed": 1})


def test_parts_that_are_told_apart_otherwise_are_a_change(do: Do) -> None:
    client = a_client(first_name="Anne", last_name="Marie Lee", email="ann@example.com")

    assert do("first name,last name,email\nAnne Marie,Lee,ann@example.com") == {"changed": 1}

    assert names_of(client) == ("Anne Marie Lee", "Anne Marie", "Lee")


def test_an_export_brings_every_name_back_into_an_empty_database(do: Do) -> None:
    a_client(first_name="Gabriela", last_name="García Márquez")
    a_client(first_name="Teller")
    a_client(last_name="=2+2")
    a_client(name="Moss, Mrs Fay")
    a_client(first_name="ליאור", last_name="כהן")
    before = list(Client.objects.order_by("email").values_list("name", "first_name", "last_name", "email"))
    topics = importer.topics()
    written = io.StringIO()
    csv.writer(written).writerows([export.header(topics), *export.rows(Client.objects.all(), topics)])
    Client.objects.all().delete()

    assert do(written.getvalue()) == {"added": 5}

    assert list(Client.objects.order_by("email").values_list("name", "first_name", "last_name", "email")) == before
