"""Negative controls: each breaks one rule of the product and is attacked where that rule holds. The judge must notice.

And the same attack with the rule in its place must find nothing, or it would prove only that the attack is too hard.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.arena import DISPATCHER, EMAIL, ROLES, SHORT_LEASE, SMS, WINDOW, Arena, Size
from tests.faults.attack import BOTH, EMBEDDED, SCALED, Attack, play
from tests.faults.attacks import audiences, kills, personal
from tests.faults.servers import Engine, Servers

#: A product that recovers does not stand still for so long.
PATIENCE_SECONDS = 15.0
#: A few windows are enough to show it.
SIZE = Size(clients=100, faults=1)
#: No ticket's lifetime ends during a control: what is lost stays lost unless somebody looks for it.
FOR_EVER = {"TICKET_LIFETIME_SECONDS": "100000"}


@dataclass(frozen=True)
class Control:
    name: str
    run: Callable[[Arena], None]
    #: What the judge must say, or the arena of what never ends; one of several where a bar is between them.
    complaint: str
    #: Sabotage that breaks the rule…
    broken: str
    #: …and what else is as in the broken run, where the rule is kept.
    beside: str = ""
    engines: Sequence[Engine] = BOTH
    #: On which of them a short run shows it; what never ends has to be waited for.
    shown_on: Sequence[Engine] = BOTH
    size: Size = SIZE
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def attack(self) -> Attack:
        return Attack(0, self.name, self.engines, self.run, SHORT_LEASE | self.settings)

    def sabotage(self) -> str:
        return ",".join(part for part in (self.beside, self.broken) if part)


def try_control(
    control: Control, engine: Engine, *, servers: Servers, folder: Path, is_short: bool = False
) -> list[str]:
    """What is wrong with it: the judge complained with the rule in its place, or did not notice that it was broken.

    A short run leaves the first part out: the attacks of the list are just that, with every rule in its place.
    """
    kept, broken = folder / "kept", folder / "broken"
    wrong = []
    if not is_short:
        kept.mkdir(parents=True)
        played = play(
            control.attack, engine, servers=servers, seed="1", folder=kept, size=control.size, sabotage=control.beside
        )
        wrong += [f"with the rule in its place: {complaint}" for complaint in played.complaints]
    broken.mkdir(parents=True)
    played = play(
        control.attack, engine, servers=servers, seed="1", folder=broken, size=control.size, sabotage=control.sabotage()
    )
    expected = control.complaint.split("|")
    if not any(words in complaint for complaint in played.complaints for words in expected):
        wrong.append(f"the judge did not notice: {played.complaints}")
    return wrong


def _killed_between_reserve_and_publish(arena: Arena) -> None:
    arena.start(dispatchers=0)
    victim = arena.hire(DISPATCHER, FAILPOINT="reserve.committed:2")
    arena.press()
    arena.wait_until(lambda: not victim.is_running(), what="the dispatcher's death")
    arena.faults["kill -9 dispatcher"] += 1
    arena.hire(DISPATCHER)
    arena.wait_for_end(seconds=PATIENCE_SECONDS)
    arena.judge()


def _killed_after_sending(arena: Arena) -> None:
    arena.start(email=0)
    victim = arena.hire(EMAIL, FAILPOINT="window.sent:2")
    arena.press()
    arena.wait_until(lambda: not victim.is_running(), what="the consumer's death")
    arena.faults["kill -9 email"] += 1
    arena.hire(EMAIL)
    arena.wait_for_end(seconds=PATIENCE_SECONDS)
    arena.judge(unknown_at_most=WINDOW)


def _killed_between_two_windows(arena: Arena) -> None:
    arena.start(email=0)
    victim = arena.hire(EMAIL, FAILPOINT="settle.committed:1")
    arena.press()
    arena.wait_until(lambda: not victim.is_running(), what="the consumer's death")
    arena.faults["kill -9 email"] += 1
    arena.hire(EMAIL)
    arena.wait_for_end(seconds=PATIENCE_SECONDS)
    arena.judge()


def _nothing_is_wrong(arena: Arena) -> None:
    arena.start()
    arena.press()
    arena.faults["a broadcast"] += 1
    arena.wait_for_end(seconds=PATIENCE_SECONDS)
    arena.judge()


def _everybody_opts_out(arena: Arena) -> None:
    # On a busy machine much goes out before the look below is over.
    arena.slow_providers(1.0)
    arena.start()
    arena.wait_for_crew(*ROLES)
    broadcast = arena.press_ahead()
    expanded = "SELECT 1 FROM notifier_broadcast WHERE cursor >= audience_upto AND state = 'RUNNING'"
    arena.wait_until(lambda: arena.stack.query(expanded), what="the audience")
    arena.wait_for_accepted(10)
    arena.stack.query("DELETE FROM notifier_preference")
    arena.withdraw(broadcast, dict.fromkeys(arena.expected(broadcast), time.time()))
    arena.faults["opt-out of everybody"] += 1
    arena.wait_for_end(seconds=PATIENCE_SECONDS)
    arena.judge()


def _tickets_race(arena: Arena) -> None:
    arena.start(email=3, sms=0)
    arena.hire(SMS)
    for role in (EMAIL, SMS):
        for process in arena.crew(role):
            arena.wait_for_sign_of_life(process)
    arena.press()
    arena.faults["repeated tickets"] += 1
    arena.wait_for_end(seconds=PATIENCE_SECONDS)
    arena.judge()


CONTROLS = (
    Control(
        "reserve with no re-issue and no sweep",
        _killed_between_reserve_and_publish,
        complaint="not ended, and none more",
        broken="no_reissue,no_sweep",
        settings=FOR_EVER,
        shown_on=EMBEDDED,
    ),
    Control("send before claiming", _killed_after_sending, complaint="sent twice", broken="send_before_claiming"),
    Control(
        "ack before settling",
        _killed_between_two_windows,
        complaint="not ended, and none more",
        broken="ack_before_settling",
        # The search for lost tickets heals what an early ack loses: without it the ack's own place shows.
        beside="no_reissue",
        settings=FOR_EVER,
        shown_on=SCALED,
    ),
    Control(
        "claim without consent",
        _everybody_opts_out,
        complaint="reached later than a window after consent was gone",
        broken="claim_without_consent",
    ),
    Control(
        "give up what a lost ticket was for",
        _killed_between_reserve_and_publish,
        complaint="has failed, and nothing made it fail",
        broken="lost_is_given_up",
        shown_on=SCALED,
        settings=FOR_EVER,
    ),
    Control(
        "leave a ticket that was overtaken where it is",
        kills.stand_still_with_tickets,
        complaint=kills.HANGS,
        broken="wait_for_whoever_has_it",
        shown_on=EMBEDDED,
        settings={"LEASE_SECONDS": kills.FOR_LONG, "TICKET_LIFETIME_SECONDS": kills.FOR_LONG},
    ),
    Control(
        "send a chunk to those who are not in the audience",
        audiences.change_the_audience,
        complaint="has a row and did not consent",
        broken="everybody_is_in_later_chunks",
        shown_on=EMBEDDED,
        settings={"EXPAND_CHUNK": str(audiences.CHUNK)},
    ),
    Control(
        "say what was on record before",
        personal.change_what_is_said,
        complaint="says what was on record until more than a window before",
        broken="values_of_the_first_claim",
        shown_on=EMBEDDED,
        settings=personal.SETTINGS,
        # More chunks than dispatchers that end in one.
        size=Size(clients=200, faults=1),
    ),
    Control(
        "skip clients without a reason",
        _nothing_is_wrong,
        complaint="was skipped for a reason that is not true",
        broken="skip_every_third",
        shown_on=EMBEDDED,
    ),
    Control(
        "one text for all languages",
        _nothing_is_wrong,
        complaint="got a text in another language than their own",
        broken="default_text_for_all",
        shown_on=EMBEDDED,
    ),
    Control(
        "claim through a joined UPDATE",
        _tickets_race,
        # Of what went out twice, or of what goes out although somebody else has it.
        complaint="sent twice|reached its provider, and neither SENT nor UNKNOWN says so",
        broken="claim_through_a_join",
        beside="tickets_come_twice",
        engines=SCALED,
        shown_on=SCALED,
        # The consumers must all be at work before the last ticket is gone.
        size=Size(clients=200, faults=1),
    ),
)
