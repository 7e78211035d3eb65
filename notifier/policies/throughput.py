"""How fast each channel really sends, measured while broadcasts run, to estimate how long the next one will take.

A broadcast's tally keeps `{"throughput": {channel: {"given": n, "seconds": s}}}`: how many messages were given to the
provider, and in how many seconds. Pauses, outages and waits for a retry do not count.
"""

from collections.abc import Mapping
from typing import Any

from notifier.models import Broadcast, Channel, Delivery

#: How many broadcasts the rate is measured over: a hundred broadcasts ago there may have been another provider.
RECENT = 20

State = Delivery.State
GIVEN = (State.SENT, State.FAILED, State.UNKNOWN)

Tally = Mapping[str, Any]


def grown(*, before: Tally, after: Tally, seconds: float) -> dict[str, Any]:
    """The tally's throughput with the time between two counts added; empty where nothing was measured so far."""
    throughput: dict[str, dict[str, float]] = {
        channel: dict(kept) for channel, kept in before.get("throughput", {}).items()
    }
    for channel, states in after.get("counts", {}).items():
        given = _given(states) - _given(before.get("counts", {}).get(channel, {}))
        # With a slow provider nothing may be settled between two counts although messages are being sent.
        if seconds > 0 and (given > 0 or (given == 0 and states.get(State.SENDING))):
            kept = throughput.setdefault(channel, {"given": 0, "seconds": 0.0})
            kept["given"] += given
            kept["seconds"] = round(kept["seconds"] + seconds, 3)
    return {"throughput": throughput} if throughput else {}


def _given(states: Mapping[str, int]) -> int:
    return sum(states.get(state, 0) for state in GIVEN)


def rates() -> dict[Channel, float]:
    """Messages a second by channel over the last RECENT broadcasts; channels that were never measured are missing."""
    tallies = Broadcast.objects.exclude(started_at=None).order_by("-pk").values_list("tally", flat=True)[:RECENT]
    given: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for tally in tallies:
        for channel, kept in tally.get("throughput", {}).items():
            given[channel] = given.get(channel, 0) + kept["given"]
            seconds[channel] = seconds.get(channel, 0) + kept["seconds"]
    return {
        channel: given[channel] / seconds[channel] for channel in Channel if given.get(channel) and seconds.get(channel)
    }
