"""To whom the confirm page sends: everybody on the topic, one of the saved audiences, or the clients of a list.

Of a saved audience it also says who is new in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.broadcasts import offers
from notifier.admin.broadcasts.offers import EVERYBODY, To
from notifier.admin.clients import audience_lists
from notifier.admin.clients.audience_lists import CONDITIONS
from notifier.audience import turnover
from notifier.audience.turnover import Turnover
from notifier.broadcasts.lifecycle import AudienceSeen
from notifier.forms import moments
from notifier.models import Broadcast, SavedAudience
from notifier.runtime import clock
from notifier.saved_audiences import compiling, words
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import known as knowing
from notifier.saved_audiences.document import BrokenAudience, Document
from notifier.staff import groups
from notifier.wording import numbers

#: The parameter of the page, and the field of its form.
PARAMETER, SEEN = offers.AUDIENCE, "audience_seen"
_NOT_ALLOWED = _("You don’t have permission to send to a saved audience.")


@dataclass(frozen=True, slots=True)
class AudienceChoice:
    """What the page shows of it."""

    ids: str
    #: All that there are; empty for those who may not use any.
    audiences: Sequence[SavedAudience] = ()
    chosen: SavedAudience | None = None
    to: To = EVERYBODY
    #: Conditions that nobody saved, as `document.as_text` writes them: the page offers their clients too.
    conditions: str = ""
    #: The conditions of the chosen ones, in words.
    text: str = ""
    #: Who joined and who left since the last broadcast to it; None without one, or where the counts come later.
    turnover: Turnover | None = None
    #: What of it is retired: a sentence for each.
    retired: Sequence[str] = ()
    #: Why nothing can be sent to it.
    problem: str = field(default="")

    @property
    def more(self) -> str:
        """The parts of the page that wait for its counts."""
        return "#last, #turnover" if self.chosen else "#last"

    @property
    def joined_url(self) -> str:
        return audience_lists.turnover_url(audience_lists.JOINED, self.chosen.pk) if self.chosen else ""

    @property
    def left_url(self) -> str:
        return audience_lists.turnover_url(audience_lists.LEFT, self.chosen.pk) if self.chosen else ""

    @property
    def is_list(self) -> bool:
        """Whether it goes to the clients of a list."""
        return bool(self.to.conditions)

    @property
    def query(self) -> str:
        """The choice as part of a URL, with an ampersand before it; empty for everybody."""
        return f"&{self.to.query}" if self.to.query else ""

    @property
    def seen(self) -> str:
        """What the form posts. Conditions that nobody saved stand there as they are."""
        if self.is_list:
            return self.conditions
        return f"{self.chosen.pk}@{self.chosen.updated_at.isoformat()}" if self.chosen else ""


def read_seen(posted: QueryDict) -> AudienceSeen | Document | None:
    """None where nothing that `AudienceChoice.seen` made was posted."""
    text = posted.get(SEEN, "")
    if text.startswith("{"):
        try:
            return documents.parse_text(text)
        except BrokenAudience:
            return None
    pk, _, moment = text.partition("@")
    audience_id, updated_at = numbers.read_id(pk), moments.read(moment)
    return AudienceSeen(audience_id, updated_at) if audience_id and updated_at else None


def may_send_to_list(request: HttpRequest) -> bool:
    """Whoever may not see clients would learn of them what they like, from counts of conditions of their own."""
    return request.user.has_perms([groups.USE_SAVEDAUDIENCE, groups.VIEW_CLIENT])


def to_whom(request: HttpRequest, asked: int | Document | None) -> To:
    """`asked`: the id of a saved audience, or conditions. Raises `BrokenAudience`, also for whoever may not use it."""
    if asked is None:
        return EVERYBODY
    if not request.user.has_perm(groups.USE_SAVEDAUDIENCE):
        raise BrokenAudience(_NOT_ALLOWED)
    if isinstance(asked, Document):
        if not may_send_to_list(request):
            raise BrokenAudience(gettext("You don’t have permission to send to the clients of a list."))
        return To(compiling.members(asked, now=clock.now()))
    saved = SavedAudience.objects.filter(pk=asked).first()
    if saved is None:
        raise BrokenAudience(gettext("The audience was deleted. Choose another one."))
    return To(compiling.of_saved(saved, now=clock.now()), saved.pk)


def asked_in_url(query: QueryDict) -> int | Document | None:
    """What a URL with `AudienceChoice.query` names; None for everybody. Raises `BrokenAudience`."""
    named = query.get(PARAMETER, "")
    return documents.parse_text(query.get(CONDITIONS, "")) if named == offers.LIST else numbers.read_id(named) or None


def of_undone(broadcast: Broadcast | None) -> int | Document | None:
    """What was chosen for a broadcast that was taken back; the conditions where nobody saved them, or does any more.

    Raises `BrokenAudience`.
    """
    if broadcast is None or broadcast.audience_document is None:
        return None
    return broadcast.saved_audience_id or documents.parse(broadcast.audience_document)


def of_request(
    request: HttpRequest, notification_ids: Sequence[int], *, counted: bool, undone: Broadcast | None = None
) -> AudienceChoice:
    """By the URL, or by what was posted; `undone`: a broadcast that was taken back, whose choice is offered again."""
    ids = ",".join(map(str, notification_ids))
    try:
        asked = _asked(request, undone)
    except BrokenAudience as error:
        return AudienceChoice(ids, problem=str(error))
    if not request.user.has_perm(groups.USE_SAVEDAUDIENCE):
        return AudienceChoice(ids, problem=str(_NOT_ALLOWED) if asked is not None else "")
    audiences = list(SavedAudience.objects.order_by("folded"))
    conditions = _conditions(request, asked)
    if asked is None:
        return AudienceChoice(ids, audiences, conditions=conditions)
    chosen = next((one for one in audiences if one.pk == asked), None)
    try:
        to = to_whom(request, asked)
    except BrokenAudience as error:
        return AudienceChoice(ids, audiences, chosen, problem=str(error))
    within = to.within
    return AudienceChoice(
        ids,
        audiences,
        chosen,
        to,
        conditions=conditions,
        text=words.of_document(within.document, within.known) if within else "",
        turnover=turnover.since_last(audience_id=chosen.pk, within=within) if counted and chosen and within else None,
        retired=knowing.retired(within.document, within.known) if within else (),
    )


def _asked(request: HttpRequest, undone: Broadcast | None) -> int | Document | None:
    seen = read_seen(request.POST)
    if seen is not None:
        return seen if isinstance(seen, Document) else seen.id
    return of_undone(undone) if request.GET.get(PARAMETER) is None else asked_in_url(request.GET)


def _conditions(request: HttpRequest, asked: int | Document | None) -> str:
    """Those of the list stay on offer while another audience is looked at."""
    if isinstance(asked, Document):
        return documents.as_text(asked)
    try:
        return documents.as_text(documents.parse_text(request.GET.get(CONDITIONS, "")))
    except BrokenAudience:
        return ""
