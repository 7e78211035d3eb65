"""The one way from a document to SQL: a `Q` about a client, true or false for each of them and never NULL.

What is negated is everybody else. So each condition on a column that may be NULL says first that it is not: then NOT
makes true of false, and no client is in neither an audience nor its opposite.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import reduce
from operator import and_, or_

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.timezone import get_default_timezone, localdate

from notifier.fields import conditions
from notifier.fields.definitions import Definition
from notifier.languages import offered
from notifier.models import Broadcast, Client, Delivery, Preference, SavedAudience
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import known as knowing
from notifier.saved_audiences.document import Document, Group, Line
from notifier.saved_audiences.known import Known

State = Delivery.State
#: It arrived, or may have.
ARRIVED = (State.SENT, State.UNKNOWN)
#: For so long after its broadcast has finished, a consumer that stood still may still tell how a message ended.
SETTLED_LATE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Members:
    """Who is in an audience, as conditions for queries."""

    document: Document
    known: Known
    #: The days of “in the last 30 days” end here.
    now: datetime

    def q(self, client: str = "") -> Q:
        """`client`: the way from the model that is asked to the client: "" from Client, "client__" from Preference."""
        return _joined(self.document.join, [self._part(part, client) for part in self.document.parts])

    def _part(self, part: Line | Group, client: str) -> Q:
        if isinstance(part, Group):
            inside = _joined(part.join, [self.line(line, client) for line in part.lines])
            return ~inside if part.is_negated else inside
        return self.line(part, client)

    def line(self, line: Line, client: str = "") -> Q:
        """One condition alone."""
        found = _CONDITIONS[line.about](line, self, client)
        return ~found if line.is_negated else found

    def clients(self) -> QuerySet[Client]:
        """Active clients who are in it."""
        return Client.objects.active().filter(self.q())


def members(document: Document, *, now: datetime, known: Known | None = None) -> Members:
    """Raises `BrokenAudience` where something that it names is gone."""
    known = known or knowing.of(document)
    knowing.check(document, known)
    return Members(document, known, now)


def of_broadcast(broadcast: Broadcast, *, now: datetime) -> Members | None:
    """Who is in the audience that the broadcast has frozen; None where it goes to everybody on its topic.

    Days are counted from its start, so that every chunk of it has the same ones. Raises `BrokenAudience`.
    """
    document = frozen(broadcast)
    return members(document, now=broadcast.started_at or now) if document else None


def frozen(broadcast: Broadcast) -> Document | None:
    """Its conditions; None where it goes to everybody on its topic. Raises `BrokenAudience`, also where it was to go to
    an audience and has no conditions any more.
    """
    if broadcast.audience_document is None and broadcast.audience_of is None:
        return None
    return documents.parse(broadcast.audience_document)


def of_saved(audience: SavedAudience, *, now: datetime) -> Members:
    """Raises `BrokenAudience`."""
    return members(documents.parse(audience.document), now=now)


def only(within: Members | None, client: str = "") -> list[Q]:
    """The condition that a client is in it, for `filter`; none where there is no audience."""
    return [within.q(client)] if within else []


def _joined(join: str, parts: list[Q]) -> Q:
    return reduce(and_ if join == documents.ALL else or_, parts)


def start_of_day(value: documents.Value) -> datetime:
    """The first moment of a day, by the clock of settings.TIME_ZONE."""
    return datetime.combine(documents.read_day(value), time.min, tzinfo=get_default_timezone())


# --- Fields -----------------------------------------------------------------------------------------------------------
def _field(line: Line, members: Members, client: str) -> Q:
    definition = members.known.definition(line)
    has_value = conditions.has_value(definition, client=client)
    if line.verb == documents.KNOWN:
        return has_value
    return has_value & _field_value(line, definition, members, client)


def _field_value(line: Line, definition: Definition, members: Members, client: str) -> Q:
    if line.verb in (documents.ANY_OF, documents.ALL_OF):
        has = conditions.has_any_option if line.verb == documents.ANY_OF else conditions.has_all_options
        return has(definition, [int(value) for value in line.values], client=client)
    if line.verb in (documents.LAST_DAYS, documents.NEXT_DAYS):
        first, last = _days_around(line, members.now)
        return conditions.is_between(definition, least=first, most=last, client=client)
    values = [definition.type.load(value) for value in line.values]
    if line.verb == documents.ONE_OF:
        return conditions.is_one_of(definition, values, client=client)
    if line.verb in (documents.CONTAINS, documents.BEGINS):
        has_part = conditions.contains if line.verb == documents.CONTAINS else conditions.begins
        return has_part(definition, values[0], client=client)
    end = "least" if line.verb in (documents.LEAST, documents.LESS) else "most"
    found = conditions.is_between(definition, **{end: values[0]}, client=client)
    return ~found if line.verb in (documents.LESS, documents.MORE) else found


def _days_around(line: Line, now: datetime) -> tuple[date, date]:
    """The first and the last day of “in the last 30 days” or “in the next 30 days”; today belongs to both."""
    today, span = localdate(now, get_default_timezone()), timedelta(days=int(line.values[0]))
    return (today - span, today) if line.verb == documents.LAST_DAYS else (today, today + span)


# --- Everything else --------------------------------------------------------------------------------------------------
def _outer(client: str) -> OuterRef:
    return OuterRef(f"{client}pk")


def _tag(line: Line, members: Members, client: str) -> Q:
    return conditions.has_tag(members.known.tags[line.id], client=client)


def _consent(line: Line, members: Members, client: str) -> Q:
    yes = Q(email=True) | Q(sms=True) if line.verb == documents.EITHER else Q(**{line.verb: True})
    return Q(Exists(Preference.objects.filter(yes, topic=line.id, client=_outer(client))))


def _language(line: Line, members: Members, client: str) -> Q:
    """The language in which a client is written to: whoever has none on record, or one of earlier, has the default."""
    column = f"{client}language"
    is_set = Q(**{f"{column}__isnull": False})
    if line.verb == documents.KNOWN:
        return is_set
    named = is_set & Q(**{f"{column}__in": list(line.values)})
    return named | ~(is_set & Q(**{f"{column}__in": offered.codes()})) if offered.default() in line.values else named


def _time_zone(line: Line, members: Members, client: str) -> Q:
    if line.verb == documents.KNOWN:
        return ~Q(**{f"{client}time_zone": ""})
    return Q(**{f"{client}time_zone__in": list(line.values)})


def _moment(line: Line, members: Members, client: str) -> Q:
    column = f"{client}{'created_at' if line.about == documents.CREATED else 'updated_at'}"
    if line.verb == documents.LAST_DAYS:
        return Q(**{f"{column}__gte": members.now - timedelta(days=int(line.values[0]))})
    return Q(**{f"{column}__{'lt' if line.verb == documents.LESS else 'gte'}": start_of_day(line.values[0])})


def _broadcast(line: Line, members: Members, client: str) -> Q:
    rows = Delivery.objects.filter(broadcast=line.id, client=_outer(client))
    match line.verb:
        case documents.SENT:
            return Q(Exists(rows.filter(state__in=ARRIVED)))
        case documents.RECEIVED:
            return Q(Exists(rows.filter(state=State.SENT)))
    return Q(~Exists(rows.filter(Q(state__in=ARRIVED) | Q(due_at__isnull=False))))


def _messages(line: Line, members: Members, client: str) -> Q:
    """Nobody has an index by client and time; so only the broadcasts that may have sent since then are looked at."""
    since = members.now - timedelta(days=int(line.values[0]))
    recent = Broadcast.objects.filter(Q(finished_at=None) | Q(finished_at__gt=since - SETTLED_LATE))
    ids = list(recent.exclude(started_at=None).order_by("pk").values_list("pk", flat=True))
    rows = Delivery.objects.filter(broadcast__in=ids, state__in=ARRIVED, settled_at__gt=since)
    return Q(~Exists(rows.filter(client=_outer(client))))


_CONDITIONS: Mapping[str, Callable[[Line, Members, str], Q]] = {
    documents.FIELD: _field,
    documents.TAG: _tag,
    documents.CONSENT: _consent,
    documents.LANGUAGE: _language,
    documents.TIME_ZONE: _time_zone,
    documents.CREATED: _moment,
    documents.CHANGED: _moment,
    documents.BROADCAST: _broadcast,
    documents.MESSAGES: _messages,
}
