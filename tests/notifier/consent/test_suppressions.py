import ast
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from notifier.clients import erasure
from notifier.consent import digests, suppressions
from notifier.consent.suppressions import Evidence, Source
from notifier.models import Channel, Client, Suppression, SuppressionChange
from tests.support.database.connections import OtherConnection
from tests.support.factories import a_client, a_user
from tests.support.servers.processes import PATIENCE_SECONDS

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

EMAIL = Channel.EMAIL
PRODUCT = Path(__file__).resolve().parents[3]
ANN = "ann@example.com"
BOUNCE = Evidence(Source.BOUNCE, "550 5.1.1 no such user")
STOP = Evidence(Source.CLIENT, "STOP")


def suppress(evidence: Evidence, now: datetime) -> bool:
    return suppressions.suppress(channel=EMAIL, address=ANN, evidence=evidence, now=now)


def history() -> list[tuple[str, str, str]]:
    return list(SuppressionChange.objects.order_by("pk").values_list("action", "source", "reason"))


def test_an_address_is_suppressed_once_and_it_is_written_down(now: datetime) -> None:
    assert suppress(BOUNCE, now)
    assert not suppress(BOUNCE, now + timedelta(seconds=1))

    assert Suppression.objects.get().source == Source.BOUNCE
    assert history() == [("SUPPRESSED", "BOUNCE", "550 5.1.1 no such user")]
    assert SuppressionChange.objects.get().at == now


def test_the_clients_own_word_takes_the_place_of_a_bounce_and_not_the_other_way_round(now: datetime) -> None:
    suppress(BOUNCE, now)

    assert suppress(STOP, now)
    assert not suppress(BOUNCE, now)

    assert (Suppression.objects.get().source, Suppression.objects.get().reason) == (Source.CLIENT, "STOP")
    assert [source for _, source, _ in history()] == ["BOUNCE", "CLIENT"]


def test_a_client_who_comes_back_lifts_no_more_than_their_own_word(now: datetime) -> None:
    maria = a_user(username="maria")
    court = Evidence(Source.STAFF, "court order", by=maria)
    suppress(court, now)
    suppress(STOP, now)
    start = Evidence(Source.CLIENT, "START")

    assert suppressions.lift(channel=EMAIL, address=ANN, evidence=start, now=now, sources=[Source.CLIENT])

    assert (Suppression.objects.get().source, Suppression.objects.get().reason) == (Source.STAFF, "court order")
    assert history()[2:] == [("LIFTED", "CLIENT", "START"), ("SUPPRESSED", "STAFF", "court order")]
    assert SuppressionChange.objects.latest("pk").by == maria
    # And the next time; until staff have lifted their own.
    suppress(STOP, now)
    suppressions.lift(channel=EMAIL, address=ANN, evidence=start, now=now)
    assert Suppression.objects.get().source == Source.STAFF
    suppressions.lift(channel=EMAIL, address=ANN, evidence=court, now=now)
    suppress(STOP, now)
    suppressions.lift(channel=EMAIL, address=ANN, evidence=start, now=now)
    assert not Suppression.objects.exists()


def test_a_lifting_is_written_down_with_who_and_why(now: datetime) -> None:
    suppress(BOUNCE, now)
    maria = a_user(username="maria")
    evidence = Evidence(Source.STAFF, "the mailbox is back", by=maria)

    assert suppressions.lift(channel=EMAIL, address=ANN, evidence=evidence, now=now)

    assert not Suppression.objects.exists()
    last = SuppressionChange.objects.latest("pk")
    assert (last.action, last.reason, last.by, last.at) == ("LIFTED", "the mailbox is back", maria, now)


def test_only_what_may_be_lifted_is(now: datetime) -> None:
    suppress(STOP, now)

    lifted = suppressions.lift(
        channel=EMAIL, address=ANN, evidence=BOUNCE, now=now, sources=[Source.BOUNCE, Source.STAFF]
    )

    assert not lifted
    assert Suppression.objects.exists()
    assert len(history()) == 1


def test_one_that_was_erased_is_found_by_its_address(now: datetime) -> None:
    suppress(STOP, now)
    Suppression.objects.update(address=digests.digest(EMAIL, ANN))

    assert suppressions.lift(channel=EMAIL, address=ANN, evidence=STOP, now=now)
    assert not Suppression.objects.exists()


def test_several_are_lifted_at_once_and_only_those_that_may_be(now: datetime) -> None:
    suppress(BOUNCE, now)
    suppressions.suppress(channel=Channel.SMS, address="+12025550100", evidence=STOP, now=now)
    ids = list(Suppression.objects.values_list("pk", flat=True))

    lifted = suppressions.lift_rows(
        ids=ids, evidence=Evidence(Source.STAFF, "back"), now=now, sources=suppressions.STAFF_LIFTABLE
    )

    assert lifted == 1
    assert Suppression.objects.get().source == Source.CLIENT
    assert history()[-1] == ("LIFTED", "STAFF", "back")


def test_many_are_suppressed_at_once_and_what_stands_is_left_as_it_is(now: datetime) -> None:
    suppress(STOP, now)

    assert suppressions.suppress_many(channel=EMAIL, evidence_of={ANN: BOUNCE, "bob@example.com": BOUNCE}, now=now) == 1

    assert dict(Suppression.objects.values_list("address", "source")) == {ANN: "CLIENT", "bob@example.com": "BOUNCE"}
    assert SuppressionChange.objects.count() == 2


# --- Erased addresses -------------------------------------------------------------------------------------------------
def erased(now: datetime, email: str = ANN) -> None:
    client = a_client(email=email, phone=None)
    erasure.erase(client_id=client.pk, by=None, why="asked", now=now)


def test_what_is_entered_again_is_recognised_and_stays_silent(now: datetime) -> None:
    erased(now)
    assert not Suppression.objects.filter(address=ANN).exists()
    a_client(email=ANN)

    assert suppressions.restore_plaintext(channel=EMAIL, addresses=[ANN, "bob@example.com"]) == 1

    assert Suppression.objects.get().address == ANN
    assert suppressions.restore_plaintext(channel=EMAIL, addresses=[ANN]) == 0


def test_an_erased_address_is_suppressed_anew_and_lifted_without_coming_back(now: datetime) -> None:
    erased(now)

    suppress(STOP, now)
    assert suppressions.lift(channel=EMAIL, address=ANN, evidence=STOP, now=now)
    suppress(STOP, now)

    assert Suppression.objects.get().address == digests.digest(EMAIL, ANN)
    assert not SuppressionChange.objects.filter(address=ANN).exists()


def test_of_two_for_one_address_the_clients_own_word_stays(now: datetime) -> None:
    erased(now)
    Suppression.objects.create(channel=EMAIL, address=ANN, reason="bounced", source=Source.BOUNCE)
    a_client(email=ANN)

    suppressions.restore_plaintext(channel=EMAIL, addresses=[ANN])

    assert [(s.address, s.source) for s in Suppression.objects.all()] == [(ANN, "ERASED")]


def test_one_that_a_changed_key_wrote_is_recognised_too(now: datetime, settings: Any) -> None:
    erased(now)
    settings.CONSENT_KEY = "a new one"
    a_client(email=ANN)

    assert suppressions.restore_plaintext(channel=EMAIL, addresses=[ANN]) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("only_postgresql")
def test_who_enters_a_former_address_while_it_is_erased_finds_it_silent(now: datetime) -> None:
    """The one waits for the other, and then knows what it did."""
    client = a_client(email=ANN)
    suppress(BOUNCE, now)
    Client.objects.filter(pk=client.pk).update(email="other@example.com")

    def enter() -> None:
        with transaction.atomic():
            suppressions.restore_plaintext_of(a_client(email=ANN))

    with OtherConnection() as other:
        with transaction.atomic():
            erasure.erase(client_id=client.pk, by=None, why="asked", now=now)
            entering = other.start_and_wait_until_blocked(enter)
        entering.result(PATIENCE_SECONDS)

    assert Suppression.objects.filter(address=ANN).exists()


# --- Nobody writes suppressions, or clients' addresses, past the services -----------------------------------------
WRITING = {"create", "bulk_create", "get_or_create", "update_or_create", "update", "bulk_update", "save", "delete"}
SUPPRESSION_WRITERS = {"notifier/consent/suppressions.py"}
#: Who writes clients. Each that may write an address recognises what was erased; the others write none.
CLIENT_WRITERS = {
    "notifier/admin/clients/client_admin.py": True,
    "notifier/demo/loading.py": True,
    "notifier/clients/imports/writing.py": True,
    "notifier/clients/archiving.py": False,
    "notifier/clients/erasure.py": False,
    "notifier/consent/consents.py": False,
    # These write no address: of a client only when they changed, of a field, and of nobody, who is never saved.
    "notifier/fields/applying.py": False,
    "notifier/admin/fields/field_admin.py": False,
    "notifier/admin/broadcasts/email_preview.py": False,
}


def writes(model: str, source: str) -> bool:
    """Whether it calls something that writes, on something that is called after the model; or does so in SQL."""
    words = (f"{model}.objects", f"{model.lower()}.", f"{model.lower()}s.filter")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITING:
            called_on = ast.unparse(node.func.value)
            if called_on.startswith(words) or called_on.lower() == model.lower():
                return True
        if isinstance(node, ast.Call) and ast.unparse(node.func) == model:
            return True
        if isinstance(node, ast.FunctionDef) and node.name == "save_model" and f"obj: {model}" in ast.unparse(node):
            return True
        if isinstance(node, ast.JoinedStr | ast.Constant):
            text = ast.unparse(node)
            if any(f"{word} {{_{model.upper()}}}" in text for word in ("INSERT INTO", "UPDATE", "DELETE FROM")):
                return True
    return False


def writers(model: str) -> set[str]:
    sources = [path for part in ("notifier", "consumers") for path in (PRODUCT / part).rglob("*.py")]
    return {
        path.relative_to(PRODUCT).as_posix()
        for path in sources
        if "migrations" not in path.parts and "models" not in path.parts and writes(model, path.read_text())
    }


def test_only_the_service_writes_suppressions() -> None:
    assert writers("Suppression") == SUPPRESSION_WRITERS


def test_whoever_writes_a_clients_address_recognises_what_was_erased() -> None:
    assert writers("Client") == set(CLIENT_WRITERS)
    for path, writes_addresses in CLIENT_WRITERS.items():
        assert ("suppressions.restore_plaintext" in (PRODUCT / path).read_text()) == writes_addresses, path


@pytest.mark.parametrize(
    "source",
    [
        "Suppression.objects.create(channel=channel)",
        "Suppression.objects.filter(pk=1).delete()",
        "suppression.save()",
        "Suppression(channel=channel)",
        'cursor.execute(f"INSERT INTO {_SUPPRESSION} (channel) VALUES (1)")',
        "def save_model(self, request, obj: Suppression, form, change): pass",
    ],
)
def test_a_module_that_writes_suppressions_is_found(source: str) -> None:
    assert writes("Suppression", source)


@pytest.mark.parametrize("typed", ["Ann@Bücher.example", "ann@xn--bcher-kva.example", '"ann"@bu\u0308cher.example'])
def test_an_address_is_suppressed_however_it_is_written(now: datetime, typed: str) -> None:
    evidence = suppressions.Evidence(suppressions.Source.STAFF, "asked")
    suppressions.suppress(channel=Channel.EMAIL, address="ann@bücher.example", evidence=evidence, now=now)

    assert suppressions.is_suppressed(channel=Channel.EMAIL, address=typed)
    assert not suppressions.is_suppressed(channel=Channel.EMAIL, address="bob@bücher.example")
