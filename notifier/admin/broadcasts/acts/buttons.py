"""The buttons of the progress page: for each act its label, who may press it, and the view that answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed

from notifier.admin.broadcasts import page_parts
from notifier.admin.broadcasts.acts import pause_and_cancel, retry_failed, start_now
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.broadcasts import acts
from notifier.broadcasts.acts import Act
from notifier.models import Broadcast
from notifier.progress.sheets import Sheet
from notifier.staff import groups


def _no_number(sheet: Sheet) -> int | None:
    return None


def _always(sheet: Sheet, now: datetime) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Button:
    """An act, as the progress page offers it. In which states it is shown: see `acts.ALLOWED`."""

    #: In its URL.
    name: str
    act: Act
    label: str
    view: Callable[[BackOfficeAdmin, HttpRequest, Broadcast], HttpResponse]
    permission: str = groups.CONTROL_BROADCAST
    tone: str = ""
    #: Whether the view asks first, on a page of its own; the others only take a POST.
    asks: bool = False
    #: The number of deliveries on the button; None where there is none to show.
    number: Callable[[Sheet], int | None] = _no_number
    #: What it says before the number, in place of the label.
    label_with_number: str = ""
    #: What else it takes, besides the state.
    condition: Callable[[Sheet, datetime], bool] = _always

    def is_shown(self, sheet: Sheet, now: datetime) -> bool:
        return acts.is_allowed(self.act, sheet.broadcast) and self.condition(sheet, now)


#: In the order of the page.
BUTTONS = {
    button.name: button
    for button in (
        Button("pause", Act.PAUSE, "Pause", pause_and_cancel.pause, condition=pause_and_cancel.is_on_its_way),
        Button("resume", Act.RESUME, "Resume", pause_and_cancel.resume, tone="primary"),
        Button(
            "retry",
            Act.SEND_AGAIN,
            "Send failed messages again",
            retry_failed.retry_page,
            permission=groups.RESOLVE_DELIVERY,
            asks=True,
            condition=retry_failed.has_failed,
        ),
        Button(
            "start-now",
            Act.START_NOW,
            "Start now",
            start_now.start_now_page,
            asks=True,
            condition=start_now.is_for_one_person,
        ),
        Button(
            "cancel",
            Act.CANCEL,
            "Cancel",
            pause_and_cancel.cancel_page,
            tone="danger",
            asks=True,
            number=pause_and_cancel.unsent,
            label_with_number="Stop sending to the remaining",
        ),
    )
}


def shown_to(request: HttpRequest, sheet: Sheet, follower: Broadcast | None, now: datetime) -> Sequence[Button]:
    """Those that whoever opened the page may press now, the primary one first."""
    # What failed was taken over by the broadcast that follows: see `followups`.
    taken_over = {Act.SEND_AGAIN} if follower else set()
    allowed = [button for button in BUTTONS.values() if request.user.has_perm(button.permission)]
    shown = [button for button in allowed if button.is_shown(sheet, now) and button.act not in taken_over]
    return sorted(shown, key=lambda button: button.tone != "primary")


def act_page(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast_id: int, name: str) -> HttpResponse:
    """What is behind the button of this name: GET asks, where there is something to ask; POST does it."""
    button = BUTTONS.get(name)
    if button is None:
        raise Http404
    if not request.user.has_perm(button.permission):
        raise PermissionDenied
    broadcast = page_parts.find(model_admin, request, broadcast_id)
    if request.method != "POST" and not button.asks:
        return HttpResponseNotAllowed(["POST"])
    return button.view(model_admin, request, broadcast)
