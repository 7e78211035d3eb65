"""How long the values of recipients make an SMS: the database groups them, so that each kind is rendered once.

All names of nine letters within GSM-7's basic set make the same SMS equally long; so do all with a letter beyond GSM-7
and none above U+FFFF, which make it UCS-2. Any other text may end a segment one unit early, wherever it stands: those
few are rendered as they are. Of numbers, amounts and dates all look alike, letter by letter, that have as many digits
before and after the point, or the same month and a day of as many digits: `_alike` gives one value for all of them, and
a property test holds it to what clients read. A million clients make some hundreds of groups, or, where a text has
several placeholders, some ten thousands.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BigIntegerField, Case, CharField, Count, Func, Q, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Abs, Cast, Concat
from django.db.models.lookups import Exact, LessThan

from notifier.audience import reachable, topic_counts
from notifier.languages import offered
from notifier.messages import sms_segments
from notifier.models import Channel, Topic
from notifier.policies import client_values
from notifier.policies.client_values import Source
from notifier.saved_audiences.compiling import Members
from notifier.values import currencies
from notifier.values.amounts import DECIMAL_PLACES, MAX_DECIMAL, MAX_WHOLE, MONEY_PLACES, MoneyType
from notifier.values.base import FieldKind, ValueType
from notifier.values.options import ChoicesType

#: No more groups are looked at: 200,000 take about a second.
MAX_SHAPES = 200_000
#: Each stands for all letters of its kind.
_BASIC, _UCS2 = "n", "я"
_ASTRAL = ("\U00010000", "\U0010ffff")
#: What stands between the options of a list.
_BETWEEN = ", "


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


# --- Values that are no texts -----------------------------------------------------------------------------------------
def _shape(source: Source) -> Any:
    """For a query: the same for all values that make an SMS equally long, wherever they stand in it."""
    value = source.expression("client__")
    if source.type is None or source.type.is_text:
        return _Shape(value)
    if isinstance(source.type, ChoicesType):
        return _chosen(value, source.type)
    return _alike(value, source.type)


def _alike(value: Any, of: ValueType) -> Any:
    """One value for all that read alike, letter by letter; NULL for NULL."""
    if of.kind == FieldKind.WHOLE:
        return _signed(value, _power_below(value, 1, MAX_WHOLE))
    if of.kind == FieldKind.DECIMAL:
        return _signed(value, _power_below(value, 10**DECIMAL_PLACES, MAX_DECIMAL) + _fraction(value, DECIMAL_PLACES))
    if isinstance(of, MoneyType):
        places = currencies.places(of.currency)
        some = Case(
            When(Exact(Abs(value) % Value(10**MONEY_PLACES), Value(0)), then=Value(0)),
            default=Value(10 ** (MONEY_PLACES - places) if places else 0),
            output_field=BigIntegerField(),
        )
        return _signed(value, _power_below(value, 10**MONEY_PLACES, MAX_DECIMAL) + some)
    if of.kind == FieldKind.DATE:
        day = value % Value(100)
        short = Case(When(LessThan(day, Value(10)), then=Value(1)), default=Value(10), output_field=BigIntegerField())
        return Value(2000 * 10_000) + (value % Value(10_000)) - day + short
    return value


def _power_below(value: Any, unit: int, largest: int) -> Case:
    """1, 10, 100 …, in small units: with as many digits before the point as the value has."""
    powers = [10**digits for digits in range(len(str(largest)))]
    whens = [When(LessThan(Abs(value), Value(power * 10 * unit)), then=Value(power * unit)) for power in powers[:-1]]
    return Case(*whens, default=Value(powers[-1] * unit), output_field=BigIntegerField())


def _fraction(value: Any, places: int) -> Case:
    """In small units: with as many digits after the point as the value has."""
    whens = [
        When(
            Exact(Abs(value) % Value(10 ** (places - shown)), Value(0)), then=Value(10 ** (places - shown) % 10**places)
        )
        for shown in range(places)
    ]
    return Case(*whens, default=Value(1), output_field=BigIntegerField())


def _signed(value: Any, size: Any) -> Case:
    return Case(
        When(LessThan(value, Value(0)), then=size * Value(-1)),
        When(Exact(value, value), then=size),
        output_field=BigIntegerField(),
    )


def _chosen(value: Any, of: ChoicesType) -> Case:
    """As `_Shape` has it, of the labels that are chosen, with what stands between them."""
    labels = {1 << (number - 1): option.label for number, option in of.options.items()}

    def those(*, unlike: frozenset[str] | None = None, above: str = "") -> int:
        """The bits of the labels that have a letter which is not in `unlike`, or one above U+FFFF."""
        return sum(
            bit
            for bit, label in labels.items()
            if (unlike is not None and not unlike.issuperset(label)) or (above and any(char > above for char in label))
        )

    def has_none(bits: int) -> Exact:
        return Exact(value.bitand(bits), Value(0))

    one_more = len(_BETWEEN)
    length: Any = Value(-one_more, output_field=BigIntegerField())
    for bit, label in labels.items():
        length += Case(
            When(has_none(bit), then=Value(0)), default=Value(len(label) + one_more), output_field=BigIntegerField()
        )
    text = Cast(length, CharField())
    return Case(
        When(Exact(value, Value(0)), then=Value("")),
        When(has_none(those(unlike=sms_segments.BASIC)), then=Concat(Value("g"), text)),
        When(
            ~Q(has_none(those(unlike=sms_segments.GSM))) & Q(has_none(those(above="\uffff"))),
            then=Concat(Value("u"), text),
        ),
        When(Exact(value, value), then=Concat(Value("="), Cast(value, CharField()))),
        output_field=CharField(),
    )


# --- Asking -----------------------------------------------------------------------------------------------------------
class Shape(NamedTuple):
    """A text that makes an SMS as long as those of so many recipients do."""

    values: Mapping[str, str]
    number: int


def of_recipients(
    *,
    topic: Topic,
    keys: Sequence[str],
    needed: Sequence[str],
    within: Members | None = None,
    only: Iterable[Any] = (),
    language: str | None = None,
) -> Iterator[Shape]:
    """Values for the placeholders `keys` that make an SMS as long as those of so many recipients; most frequent first.

    Up to MAX_SHAPES of them. Who lacks one of `needed` is left out, and so is, with a language, whoever is written to
    in another. Numbers and dates are in that language. `only`: conditions on the consents of the recipients.
    """
    recipients = reachable.wanting(topic_id=topic.pk, channel=Channel.SMS, within=within)
    recipients = recipients.filter(*client_values.present(needed, client="client__"), *only)
    recipients = recipients.filter(*reachable.written_to_in(language, client="client__"))
    sources = client_values.read(keys).each
    shapes = {f"shape_{key}": _shape(source) for key, source in sources.items()}
    groups = recipients.order_by().annotate(**shapes).values_list(*shapes).annotate(number=Count("pk"))
    examples: dict[tuple[str, Any], str] = {}
    with topic_counts.along_the_indexes():
        found = list(groups.order_by("-number", *shapes)[:MAX_SHAPES])
    for *each, number in found:
        values = {}
        for key, shape in zip(keys, each, strict=True):
            if (key, shape) not in examples:
                examples[key, shape] = _example(sources[key], shape, offered.of(language))
            values[key] = examples[key, shape]
        yield Shape(values, number)


def _example(source: Source, shape: Any, language: str) -> str:
    if isinstance(shape, int):
        return source.text(shape, language=language, is_sms=True)
    if not shape:
        return ""
    kind, rest = shape[0], shape[1:]
    if kind == "=":
        is_text = source.type is None or source.type.is_text
        return source.text(rest if is_text else int(rest), language=language, is_sms=True)
    return (_BASIC if kind == "g" else _UCS2) * int(rest)
