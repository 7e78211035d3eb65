"""To whom the confirm page sends: everybody on the topic, or one of the saved audiences, and who is new in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.http import HttpRequest, QueryDict

from notifier.admin.broadcasts.offers import EVERYBODY, To
from notifier.audience import turnover
from notifier.audience.turnover import Turnover
from notifier.broadcasts.lifecycle import AudienceSeen
from notifier.forms import moments
from notifier.models import SavedAudience
from notifier.runtime import clock
from notifier.saved_audiences import compiling, freezing
from notifier.saved_audiences.document import BrokenAudience
from notifier.staff import groups
from notifier.wording import numbers

#: The parameter of the page, and the field of its form.
PARAMETER, SEEN = "audience", "audience_seen"


@dataclass(frozen=True, slots=True)
class AudienceChoice:
    """What the page shows of it."""

    ids: str
    #: All that there are; empty for those who may not use any.
    audiences: Sequence[SavedAudience] = ()
    chosen: SavedAudience | None = None
    to: To = EVERYBODY
    #: The conditions of the chosen one, in words.
    text: str = ""
    #: Who joined and who left since the last broadcast to it; None without one, or where the counts come later.
    turnover: Turnover | None = None
    #: Why nothing can be sent to it.
    problem: str = field(default="")

    @property
    def more(self) -> str:
        """The parts of the page that wait for its counts."""
        return "#last, #turnover" if self.chosen else "#last"

    @property
    def seen(self) -> str:
        return f"{self.chosen.pk}@{self.chosen.updated_at.isoformat()}" if self.chosen else ""


def read_seen(posted: QueryDict) -> AudienceSeen | None:
    """None where nothing that `AudienceChoice.seen` made was posted."""
    pk, _, moment = posted.get(SEEN, "").partition("@")
    audience_id, updated_at = numbers.read_id(pk), moments.read(moment)
    return AudienceSeen(audience_id, updated_at) if audience_id and updated_at else None


def to_whom(request: HttpRequest, audience_id: int | None) -> To:
    """Raises `BrokenAudience`, also for whoever may not use it."""
    if audience_id is None:
        return EVERYBODY
    if not request.user.has_perm(groups.USE_SAVEDAUDIENCE):
        raise BrokenAudience("You don’t have permission to send to a saved audience.")
    saved = SavedAudience.objects.filter(pk=audience_id).first()
    if saved is None:
        raise BrokenAudience("The audience was deleted. Choose another one.")
    return To(compiling.of_saved(saved, now=clock.now()), saved.pk)


def of_request(
    request: HttpRequest, notification_ids: Sequence[int], *, counted: bool, before: int | None = None
) -> AudienceChoice:
    """By the URL, or by what was posted; `before`: what was chosen for a broadcast that was taken back."""
    ids = ",".join(map(str, notification_ids))
    if not request.user.has_perm(groups.USE_SAVEDAUDIENCE):
        asked = request.GET.get(PARAMETER) or request.POST.get(SEEN)
        return AudienceChoice(ids, problem="You don’t have permission to send to a saved audience." if asked else "")
    audiences = list(SavedAudience.objects.order_by("folded"))
    seen = read_seen(request.POST)
    in_url = request.GET.get(PARAMETER)
    asked_id = seen.id if seen else before if in_url is None else numbers.read_id(in_url) or None
    if asked_id is None:
        return AudienceChoice(ids, audiences)
    chosen = next((one for one in audiences if one.pk == asked_id), None)
    try:
        to = to_whom(request, asked_id)
        text = freezing.columns(chosen)["audience_text"] if chosen else ""
    except BrokenAudience as error:
        return AudienceChoice(ids, audiences, chosen, problem=str(error))
    changed = turnover.since_last(audience_id=asked_id, within=to.within) if counted and to.within else None
    return AudienceChoice(ids, audiences, chosen, to, text, changed)
