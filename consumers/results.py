"""Recording how sends ended: whatever the database does, no result is thrown away that can be recorded at all."""

import logging
import time
from collections.abc import Callable, Sequence

from django import db
from django.db import connection

from notifier.delivery import settlements
from notifier.delivery.claims import Claim
from notifier.delivery.settlements import Outcome
from notifier.runtime import clock, db_faults
from notifier.runtime.backoff import Backoff

logger = logging.getLogger(__name__)


def settle(claim: Claim, outcomes: Sequence[Outcome]) -> None:
    """Record them in one transaction; where one of them can't be recorded, each by itself."""
    try:
        settled = insist(lambda: settlements.settle(claim=claim, outcomes=outcomes, now=clock.now()))
    except Exception as error:  # noqa: BLE001  (one client's data must not hold back the others' results)
        logger.error("One of %d results can’t be recorded (%s): each is recorded alone.", len(outcomes), _name(error))
        settled = sum(_settle_alone(claim, outcome) for outcome in outcomes)
    if settled < len(outcomes):
        logger.warning("%d results came after their lease and were decided by others.", len(outcomes) - settled)


def _settle_alone(claim: Claim, outcome: Outcome) -> int:
    """Record one result; without the provider's words, where these are what can't be recorded."""

    def write(said: Outcome) -> int:
        return insist(lambda: settlements.settle(claim=claim, outcomes=[said], now=clock.now()))

    for said in (outcome, outcome.in_our_words()):
        try:
            return write(said)
        except Exception as error:  # noqa: BLE001
            delivery = outcome.message.delivery_id
            logger.error("The result of delivery %d can’t be recorded: %s", delivery, _name(error))
    return 0


def insist(write: Callable[[], int]) -> int:
    """Try `write` until the database takes it, since these results exist nowhere else; returns its number of rows.

    What is wrong with the data is raised: no further try would succeed. Meanwhile the broker may take the ticket back
    (RabbitMQ does after 30 minutes). That ticket will claim nothing.
    """
    patience = Backoff(first_seconds=0.1, longest_seconds=5)
    while True:
        try:
            return write()
        except db_faults.WRONG_DATA:
            raise
        except db.Error as error:
            seconds = patience.next_seconds()
            logger.error("Results can’t be recorded, kept and tried again in %.1f s: %s", seconds, error)
            connection.close()
            time.sleep(seconds)


def _name(error: Exception) -> str:
    """Not its text: a database's words about data hold the data."""
    return type(error).__name__
