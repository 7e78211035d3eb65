"""The newest of a broadcast's deliveries: problems first, and what many have in common said once. Read only.

It is asked for every second while a broadcast runs. So it reads the newest of those that are settled, and a bounded
number of each reason why others were not sent; whatever the size of the broadcast, it reads no more.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zlib import crc32

from notifier.models import Broadcast, Channel, Client, Delivery, Reason
from notifier.progress import skip_reasons

State = Delivery.State

#: Lines in all, and how many of them may be about problems: the rest show each client as they are reached.
LENGTH = 50
MAX_PROBLEMS = 8
#: The clients that one line names.
NAMED = 3
#: How many of the newest deliveries are looked at.
WINDOW = 300
#: Older ones that were not sent are found by their reasons: the first of each state in alphabetical order. Where there
#: are more of them, as in mail servers' own words, those of the newest are in the window.
MAX_REASONS = 6
#: Of what has ended, besides the problems: enough to see what it was like, and short enough for the rest of its page.
LENGTH_ENDED = 5
#: No reason is counted further: "at least 1,000 more".
MAX_COUNTED = 1_000 + NAMED


@dataclass(frozen=True, slots=True)
class NamedClient:
    pk: int
    #: By name or by number.
    name: str
    delivery_id: int


@dataclass(frozen=True, slots=True)
class FeedLine:
    """One delivery, or all of a channel that ended in the same way for the same reason."""

    state: Delivery.State
    channel: Channel
    #: As its `detail` has it.
    reason: str
    #: The latest, NAMED at most.
    clients: Sequence[NamedClient]
    #: How many there are besides those clients, and whether there may be more of them than that.
    others: int
    is_open_ended: bool
    #: When the latest of them was settled.
    at: datetime

    @property
    def key(self) -> str:
        """The same from one look to the next, so that a page can keep the focus on its link."""
        return f"{self.state.lower()}-{self.channel.value}-{crc32(self.reason.encode()):08x}"

    @property
    def reason_in_words(self) -> str:
        return Reason.in_words(self.reason)

    @property
    def more(self) -> str:
        """48 more, at least 1,000 more; nothing where all are named."""
        if not self.others:
            return ""
        return f"{'at least ' if self.is_open_ended else ''}{self.others:,} more"


@dataclass(frozen=True, slots=True)
class Feed:
    problems: Sequence[FeedLine]
    #: Everything else, newest first.
    newest: Sequence[FeedLine]

    def __bool__(self) -> bool:
        return bool(self.problems or self.newest)


class _Row(NamedTuple):
    id: int
    client_id: int
    channel: str
    state: str
    detail: str
    settled_at: datetime

    @property
    def alike(self) -> tuple[str, ...]:
        """What rows of one line have in common. Whoever got the message has a line of their own."""
        is_own = self.state == State.SENT and not self.detail
        return (self.state, self.channel, self.detail, str(self.id) if is_own else "")

    @property
    def age(self) -> tuple[datetime, int]:
        return self.settled_at, self.id


class _Group(NamedTuple):
    #: Newest first.
    rows: list[_Row]
    number: int
    is_open_ended: bool


def feed(
    broadcast: Broadcast,
    *,
    with_names: bool,
    until: datetime | None = None,
    length: int = LENGTH,
    max_problems: int = MAX_PROBLEMS,
) -> Feed:
    """The lines, `length` at most, without what was settled after `until`.

    Without names a client is their number, for those who may not see clients.
    """
    newest = _newest(broadcast, until)
    has_all = len(newest) < WINDOW
    older, counts = _of_each_reason(broadcast) if not has_all else ([], {})
    rows = {row.id: row for row in (*older, *newest)}.values()
    groups = sorted(_groups(rows, counts, has_all=has_all), key=lambda group: group.rows[0].age, reverse=True)
    problems = [group for group in groups if group.rows[0].state in Delivery.PROBLEMS][:max_problems]
    others = [group for group in groups if group.rows[0].state not in Delivery.PROBLEMS][: length - len(problems)]
    names = _names([*problems, *others]) if with_names else {}
    return Feed([_line(group, names) for group in problems], [_line(group, names) for group in others])


def _newest(broadcast: Broadcast, until: datetime | None) -> list[_Row]:
    settled = broadcast.deliveries.filter(settled_at__isnull=False).order_by("-settled_at")
    if until is not None:
        settled = settled.filter(settled_at__lte=until)
    return [_Row(*row) for row in settled.values_list(*_Row._fields)[:WINDOW]]


# The order by the reason, of which there is one, keeps PostgreSQL to the index delivery_state_broadcast: it might read
# the table from its beginning otherwise, where there is nothing of this broadcast. SQLite uses that index only where
# its condition is in the query.
_OF_ONE_REASON = f"""
    SELECT * FROM (
        SELECT counted.*, COUNT(*) OVER (PARTITION BY channel) AS number,
               ROW_NUMBER() OVER (PARTITION BY channel ORDER BY settled_at DESC, id DESC) AS place
        FROM (
            SELECT {", ".join(_Row._fields)} FROM {Delivery._meta.db_table}
            WHERE state = %s AND broadcast_id = %s AND detail >= %s AND detail <= %s
                  AND state IN ('FAILED', 'UNKNOWN', 'SKIPPED', 'CANCELLED')
            ORDER BY detail LIMIT {MAX_COUNTED}
        ) counted
    ) ranked WHERE place <= {NAMED}
"""  # noqa: S608

#: How many deliveries are alike.
_Counts = Mapping[tuple[str, ...], int]


def _of_each_reason(broadcast: Broadcast) -> tuple[list[_Row], _Counts]:
    """The latest of a channel that were not sent for a reason, and how many: of MAX_COUNTED of each reason at most."""
    reasons = skip_reasons.reasons(broadcast.pk, most=MAX_REASONS)
    if not reasons:
        return [], {}
    params = [param for state, detail in reasons for param in (state, broadcast.pk, detail, detail)]
    # The model reads the moments, which SQLite keeps as text.
    found: list[Any] = list(Delivery.objects.raw(" UNION ALL ".join([_OF_ONE_REASON] * len(reasons)), params))
    rows = [_Row(*(getattr(one, name) for name in _Row._fields)) for one in found]
    return rows, {row.alike: one.number for row, one in zip(rows, found, strict=True)}


def _groups(rows: Iterable[_Row], counts: _Counts, *, has_all: bool) -> Iterator[_Group]:
    by_likeness: dict[tuple[str, ...], list[_Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.age, reverse=True):
        by_likeness[row.alike].append(row)
    counted: dict[tuple[str, ...], int] = defaultdict(int)
    for (state, _, detail, _), number in counts.items():
        counted[state, detail] += number
    for alike, those in by_likeness.items():
        state, _, detail, _ = alike
        is_known = has_all or (alike in counts and counted[state, detail] < MAX_COUNTED)
        yield _Group(those, max(counts.get(alike, 0), len(those)), is_open_ended=not is_known)


def _names(groups: Iterable[_Group]) -> dict[int, str]:
    named = {row.client_id for group in groups for row in group.rows[:NAMED]}
    return dict(Client.objects.filter(pk__in=named).values_list("pk", "name"))


def _line(group: _Group, names: Mapping[int, str]) -> FeedLine:
    first, *_ = shown = group.rows[:NAMED]
    return FeedLine(
        state=State(first.state),
        channel=Channel(first.channel),
        reason=first.detail,
        clients=[
            NamedClient(row.client_id, names.get(row.client_id, f"Client #{row.client_id}"), row.id) for row in shown
        ],
        others=group.number - len(shown),
        is_open_ended=group.is_open_ended,
        at=first.settled_at,
    )
