from datetime import datetime, timedelta

import pytest

from notifier import digests
from notifier.models import Channel, Suppression, SuppressionChange
from notifier.services import suppressions
from notifier.services.suppressions import Source, Word
from tests.factories import a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

EMAIL = Channel.EMAIL
ANN = "ann@example.com"
BOUNCE = Word(Source.BOUNCE, "550 5.1.1 no such user")
STOP = Word(Source.CLIENT, "STOP")


def suppress(word: Word, now: datetime) -> bool:
    return suppressions.suppress(channel=EMAIL, address=ANN, word=word, now=now)


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


def test_a_lifting_is_written_down_with_who_and_why(now: datetime) -> None:
    suppress(BOUNCE, now)
    maria = a_user(username="maria")
    word = Word(Source.STAFF, "the mailbox is back", by=maria)

    assert suppressions.lift(channel=EMAIL, address=ANN, word=word, now=now)

    assert not Suppression.objects.exists()
    last = SuppressionChange.objects.latest("pk")
    assert (last.action, last.reason, last.by, last.at) == ("LIFTED", "the mailbox is back", maria, now)


def test_only_what_may_be_lifted_is(now: datetime) -> None:
    suppress(STOP, now)

    lifted = suppressions.lift(channel=EMAIL, address=ANN, word=BOUNCE, now=now, sources=[Source.BOUNCE, Source.STAFF])

    assert not lifted
    assert Suppression.objects.exists()
    assert len(history()) == 1


def test_one_that_was_erased_is_found_by_its_address(now: datetime) -> None:
    suppress(STOP, now)
    Suppression.objects.update(address=digests.digest(EMAIL, ANN))

    assert suppressions.lift(channel=EMAIL, address=ANN, word=STOP, now=now)
    assert not Suppression.objects.exists()
