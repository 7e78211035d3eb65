"""How long the values of recipients make an SMS: the database groups them, so that each kind is rendered once.

All names of nine letters within GSM-7's basic set make the same SMS equally long; so do all with a letter beyond GSM-7
and none above U+FFFF, which make it UCS-2. Any other value may end a segment one unit early, wherever it stands: those
few are rendered as they are. A million names make some hundreds of groups.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import connection
from django.db.models import CharField, Count, Func
from django.db.models.expressions import Combinable

from notifier.audience import reachable, topic_counts
from notifier.messages import sms_segments
from notifier.models import Channel, Topic
from notifier.policies import client_values
from notifier.saved_audiences.compiling import Members

#: No more groups are rendered: each takes some 50 µs.
MAX_SHAPES = 5_000
#: Each stands for all letters of its kind.
_BASIC, _UCS2 = "n", "я"
_ASTRAL = ("\U00010000", "\U0010ffff")


class _Shape(Func):
    """A text: `g` or `u` with the number of letters, or `=` with the value itself."""

    output_field = CharField()

    def __init__(self, value: Combinable, **extra: Any) -> None:
        super().__init__(value, **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        def has(letters: str) -> tuple[str, str]:
            return "{0} GLOB %s", f"*[{letters}]*"

        return self._sql(compiler, has, outside="^")

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        def has(letters: str) -> tuple[str, str]:
            return "{0} ~ %s", f"[{letters}]"

        return self._sql(compiler, has, outside="^")

    def _sql(self, compiler: Any, has: Any, *, outside: str) -> tuple[str, list[Any]]:
        value, parameters = compiler.compile(self.source_expressions[0])
        basic, beyond = has(f"{outside}{_class(sms_segments.BASIC)}"), has(f"{outside}{_class(sms_segments.GSM)}")
        astral = has("-".join(_ASTRAL))
        length = f"CAST(LENGTH({value}) AS varchar(10))"
        statement = (
            f"CASE WHEN NOT {basic[0].format(value)} THEN 'g' || {length} "
            f"WHEN {beyond[0].format(value)} AND NOT {astral[0].format(value)} THEN 'u' || {length} "
            f"ELSE '=' || {value} END"
        )
        each = list(parameters)
        return statement, [*each, basic[1], *each, *each, beyond[1], *each, astral[1], *each, *each]


def _class(letters: frozenset[str]) -> str:
    """These letters as they stand in brackets; in a pattern of PostgreSQL or SQLite nobody escapes them."""
    # A bracket that closes comes first, what would be a range last, and a backslash is doubled for PostgreSQL alone.
    plain = "".join(sorted(letters - set("]-\\^[")))
    backslash = ("\\\\" if connection.vendor == "postgresql" else "\\") if "\\" in letters else ""
    opening = ("\\[" if connection.vendor == "postgresql" else "[") if "[" in letters else ""
    return f"{']' if ']' in letters else ''}{plain}{opening}{backslash}{'^' if '^' in letters else ''}-"


def of_recipients(
    *,
    topic: Topic,
    keys: Sequence[str],
    needed: Sequence[str],
    within: Members | None = None,
    language: str | None = None,
) -> Iterator[tuple[Mapping[str, str], int]]:
    """Values for the placeholders `keys` that make an SMS as long as those of so many recipients; most frequent first.

    Up to MAX_SHAPES of them. Who lacks one of `needed` is left out, and so is, with a language, whoever is written to
    in another.
    """
    recipients = reachable.wanting(topic_id=topic.pk, channel=Channel.SMS, within=within)
    recipients = recipients.filter(*client_values.present(needed, client="client__"))
    recipients = recipients.filter(*reachable.written_to_in(language, client="client__"))
    shapes = {f"shape_{key}": _Shape(client_values.SOURCES[key].expression("client__")) for key in keys}
    groups = recipients.order_by().annotate(**shapes).values_list(*shapes).annotate(number=Count("pk"))
    with topic_counts.along_the_indexes():
        found = list(groups.order_by("-number", *shapes)[:MAX_SHAPES])
    for *each, number in found:
        yield {key: _example(shape) for key, shape in zip(keys, each, strict=True)}, number


def _example(shape: str) -> str:
    kind, rest = shape[0], shape[1:]
    return rest if kind == "=" else (_BASIC if kind == "g" else _UCS2) * int(rest)
