"""The client list behind a number on a page that sends: `?reach=<topic>.<channel>.<standing>`, of everybody or, with
`.<audience>` at its end, of a saved audience; and `?audience=<id>` for all who are in one. `?conditions=` are some that
nobody saved, as `saved_audiences.document.as_text` writes them; with `reach`, who of these clients stands so.

Of the recipients also those who lack one of the values that a text needs, or have all of them: `….lack.first_name`,
`….have.first_name-last_name`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from notifier.admin.clients import field_filters
from notifier.admin.lists import selection
from notifier.admin.lists.change_list import BoundedChangeList
from notifier.admin.lists.paginator import MAX_COUNTED
from notifier.audience import standings, topic_counts, turnover
from notifier.audience.standings import Standing
from notifier.messages import placeholders
from notifier.models import Broadcast, Channel, Client, SavedAudience, Topic
from notifier.policies import client_values
from notifier.runtime import clock
from notifier.saved_audiences import compiling
from notifier.saved_audiences import document as documents
from notifier.saved_audiences.document import BrokenAudience
from notifier.staff import groups
from notifier.wording import numbers

PARAMETER = "reach"
LACK, HAVE = "lack", "have"
AUDIENCE, CONDITIONS, TURNOVER = "audience", selection.CONDITIONS, "turnover"
JOINED, LEFT = "joined", "left"
_TURNOVER: Mapping[str, str] = {JOINED: "joined", LEFT: "left"}
#: With the topic and the channel, such as "Listings by e-mail", in the place of {}.
DESCRIPTIONS: Mapping[Standing, str] = {
    Standing.RECIPIENTS: "would get {} now",
    Standing.NO_CONSENT: "have not agreed to {}",
    Standing.NO_ADDRESS: "agreed to {}, but have no address for it",
    Standing.SUPPRESSED: "agreed to {}, but their address is suppressed",
    Standing.NOT_ALLOWED: "agreed to {}, but SMS to their country are not allowed",
    Standing.LANDLINE: "agreed to {}, but have a landline number, which gets no SMS",
    Standing.ARCHIVED: "are archived, so they don’t get {}",
    Standing.NOT_IN_AUDIENCE: "are not in the audience of {}",
}


class ChosenReach(NamedTuple):
    topic: Topic
    channel: Channel
    standing: Standing
    #: LACK or HAVE with `keys`, or empty.
    which: str = ""
    keys: tuple[str, ...] = ()
    audience: SavedAudience | None = None

    @property
    def description(self) -> str:
        to = f" to “{self.audience}”" if self.audience else ""
        found = DESCRIPTIONS[self.standing].format(f"{self.topic} by {self.channel.in_words}{to}")
        if not self.which:
            return found
        words = [placeholders.in_words(key) for key in self.keys]
        values = " or ".join(words) if self.which == LACK else " and ".join(words)
        return f"{found}, and have {'no ' if self.which == LACK else 'a '}{values}"

    def clients(self, now: datetime) -> QuerySet[Client]:
        """Raises `BrokenAudience`."""
        within = compiling.of_saved(self.audience, now=now) if self.audience else None
        found = standings.who(topic=self.topic, channel=self.channel, standing=self.standing, within=within)
        if self.which == LACK:
            return found.filter(client_values.missing(self.keys))
        return found.filter(*client_values.present(self.keys))


def list_url(
    *,
    topic: Topic,
    channel: Channel,
    standing: Standing,
    which: str = "",
    keys: Sequence[str] = (),
    audience_id: int | None = None,
    conditions: str = "",
) -> str:
    """The URL of the list of exactly those clients that `topic_counts.reach` counts, and `audience.missing_values`.

    Empty where there is none: of clients who do not meet conditions that nobody saved.
    """
    if conditions and standing == Standing.NOT_IN_AUDIENCE:
        return ""
    parts = [topic.slug, channel.value, standing.value]
    if keys:
        parts += [which, "-".join(keys)]
    if audience_id:
        parts.append(str(audience_id))
    only = {CONDITIONS: conditions} if conditions and standing != Standing.ARCHIVED else {}
    return reverse("admin:notifier_client_changelist", query={PARAMETER: ".".join(parts), **only})


def read_reach(value: str) -> ChosenReach | None:
    """None for anything that `list_url` did not make, or whose topic is gone."""
    slug, channel, standing, *rest = value.split(".") if 2 <= value.count(".") <= 5 else ("", "", "")
    if channel not in Channel.values or standing not in list(Standing):
        return None
    topic = Topic.objects.filter(slug=slug).first()
    of = rest.pop() if len(rest) % 2 else ""
    audience = SavedAudience.objects.filter(pk=numbers.read_id(of) or 0).first() if of else None
    if topic is None or (audience is None and of):
        return None
    which, keys = (rest[0], tuple(rest[1].split("-"))) if rest else ("", ())
    if rest and (which not in (LACK, HAVE) or not client_values.are_known(keys)):
        return None
    return ChosenReach(topic, Channel(channel), Standing(standing), which, keys, audience)


class ClientChangeList(BoundedChangeList):
    # Each name is folded before it is compared.
    is_search_dear = True

    def get_results(self, request: HttpRequest) -> None:
        self._request = request
        super().get_results(request)

    def found_ids(self) -> list[Any]:
        if not any(map(field_filters.is_ours, self.filter_params)):
            return super().found_ids()
        with field_filters.all_at_once(self._request):
            every = self.get_queryset(self._request)
        return list(every.order_by().values_list("pk", flat=True)[:MAX_COUNTED])


class AudienceChangeList(ClientChangeList):
    def found_ids(self) -> list[Any]:
        with topic_counts.along_the_indexes():
            return super().found_ids()


class ReachFilter(admin.SimpleListFilter):
    """Shown only where the URL has it, as the links of the confirm page do."""

    title = _("who")
    parameter_name = PARAMETER
    _chosen: ChosenReach | None = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self._chosen = read_reach(self.value() or "")
        if not self.value():
            return []
        return [
            (self.value() or "", self._chosen.description if self._chosen else "nobody: this link is no longer valid")
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        if self._chosen is None:
            return queryset.none() if self.value() else queryset
        try:
            return queryset & self._chosen.clients(clock.now())
        except BrokenAudience as error:
            raise IncorrectLookupParameters(str(error)) from error


class AudienceFilter(admin.SimpleListFilter):
    """Shown only where the URL has it, as the links of an audience's page do."""

    title = _("audience")
    parameter_name = AUDIENCE
    _chosen: SavedAudience | None = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        if not self.value() or not request.user.has_perm(groups.VIEW_SAVEDAUDIENCE):
            return []
        self._chosen = SavedAudience.objects.filter(pk=numbers.read_id(self.value() or "") or 0).first()
        return [(self.value() or "", f"in “{self._chosen}”" if self._chosen else "nobody: this audience is gone")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        if self._chosen is None:
            return queryset.none() if self.value() else queryset
        try:
            return queryset.filter(compiling.of_saved(self._chosen, now=clock.now()).q(), is_active=True)
        except BrokenAudience as error:
            raise IncorrectLookupParameters(str(error)) from error


class TurnoverFilter(admin.SimpleListFilter):
    """Shown only where the URL has it: `?turnover=joined.<audience>`, as the confirm page links to it."""

    title = _("audience")
    parameter_name = TURNOVER
    _asked: tuple[str, SavedAudience, Broadcast] | None = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        if not self.value() or not request.user.has_perm(groups.VIEW_SAVEDAUDIENCE):
            return []
        self._asked = _read_turnover(self.value() or "")
        if self._asked is None:
            return [(self.value() or "", "nobody: this link is no longer valid")]
        which, audience, last = self._asked
        return [(self.value() or "", f"{_TURNOVER[which]} “{audience}” since #{last.pk}")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        if self._asked is None:
            return queryset.none() if self.value() else queryset
        which, audience, last = self._asked
        try:
            within = compiling.of_saved(audience, now=clock.now())
        except BrokenAudience as error:
            raise IncorrectLookupParameters(str(error)) from error
        found = turnover.joined(last, within) if which == JOINED else turnover.left(last, within)
        return queryset.filter(pk__in=found.values("pk"))


def turnover_url(which: str, audience_id: int) -> str:
    """The list of those whom `turnover.since_last` counts."""
    return reverse("admin:notifier_client_changelist", query={TURNOVER: f"{which}.{audience_id}"})


def _read_turnover(value: str) -> tuple[str, SavedAudience, Broadcast] | None:
    which, _, number = value.partition(".")
    audience = SavedAudience.objects.filter(pk=numbers.read_id(number) or 0).first() if which in _TURNOVER else None
    last = turnover.last_broadcast(audience.pk) if audience else None
    return (which, audience, last) if audience and last else None


class ConditionsFilter(admin.SimpleListFilter):
    """Shown only where the URL has it, as the links of a page have it that sends to the clients of a list."""

    title = _("conditions")
    parameter_name = CONDITIONS

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(self.value() or "", "the clients of the list that it is sent to")] if self.value() else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        if not self.value():
            return queryset
        try:
            document = documents.parse_text(self.value() or "")
            return queryset.filter(compiling.members(document, now=clock.now()).q(), is_active=True)
        except BrokenAudience as error:
            raise IncorrectLookupParameters(str(error)) from error
