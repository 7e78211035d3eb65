"""The page that asks before a decision about deliveries, and takes it: mark as sent, or send again."""

from datetime import datetime
from typing import Any, cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from notifier.admin.deliveries.recovery import DECISIONS, DecisionForm, DeliveryDecision, outcome
from notifier.admin.lists import deferred_counts
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import Selection
from notifier.delivery import claim_forecast, obstacles, recovery
from notifier.delivery.claim_forecast import Forecast
from notifier.models import Delivery, Resolution
from notifier.runtime import clock
from notifier.staff import groups
from notifier.wording import numbers

#: Of the deliveries that a decision is about, so many are shown before it is taken.
SHOWN = 10
#: Of more than these nobody waits for the count of those who would be skipped.
MAX_FORESEEN = 100_000


def url(model_admin: BackOfficeAdmin, decision: DeliveryDecision, selection: Selection) -> str:
    """Of the page that asks before this decision about these deliveries."""
    return f"{model_admin.page_url('resolve', decision.name)}?{selection.query()}"


def resolve_page(model_admin: BackOfficeAdmin, request: HttpRequest, name: str) -> HttpResponse:
    """GET asks, POST does it."""
    if not (model_admin.has_view_permission(request) and request.user.has_perm(groups.RESOLVE_DELIVERY)):
        raise PermissionDenied
    decision = DECISIONS.get(name)
    if decision is None:
        raise Http404
    selection = Selection.read(request.GET)
    rows = model_admin.selected_rows(request, selection) if selection else None
    if selection is None or rows is None:
        return model_admin.ask_to_choose(request)
    back = model_admin.back_url(selection)
    if later := deferred_counts.counted_url(request, is_long=rows.is_long):
        return _ask(model_admin, request, decision, rows.found, {"back": back, "counting": later})
    # Whatever is settled after this moment is not on the page, so the decision leaves it alone.
    now = clock.now()
    found = recovery.count_resolvable(action=decision.action, deliveries=rows.found, now=now)
    form = _form(request, decision, found)
    if form.is_valid():
        _take(model_admin, request, decision, rows.found, form)
        return redirect(back)
    then = _forecast(decision, rows.found, found, now)
    counts = {"preview": found, "then": then, "seen_at": now.isoformat(), "form": form}
    return _ask(model_admin, request, decision, rows.found, {"back": back, **counts})


def _forecast(
    decision: DeliveryDecision, rows: QuerySet[Delivery], found: recovery.Resolvable, now: datetime
) -> Forecast | None:
    """What then happens to those that are sent again; None where nothing is sent, or they are too many."""
    if decision.action != Resolution.Action.SENT_AGAIN or found.number > MAX_FORESEEN:
        return None
    return claim_forecast.of_deliveries(obstacles.free_to_send_again(rows, now), now=now)


def _form(request: HttpRequest, decision: DeliveryDecision, found: recovery.Resolvable) -> DecisionForm:
    form = DecisionForm(request.POST if request.method == "POST" else None)
    form.fields["twice"].required = decision.action == Resolution.Action.SENT_AGAIN and found.unknown > 0
    return form


def _take(
    model_admin: BackOfficeAdmin,
    request: HttpRequest,
    decision: DeliveryDecision,
    rows: QuerySet[Delivery],
    form: DecisionForm,
) -> None:
    resolved = decision.take(
        deliveries=rows.filter(settled_at__lte=form.cleaned_data["seen_at"]),
        by=cast(User, request.user),
        why=form.cleaned_data["why"],
        now=clock.now(),
    )
    level, text = outcome(decision, resolved)
    model_admin.message_user(request, text, level)


def _ask(
    model_admin: BackOfficeAdmin,
    request: HttpRequest,
    decision: DeliveryDecision,
    rows: QuerySet[Delivery],
    context: dict[str, Any],
) -> HttpResponse:
    found: recovery.Resolvable | None = context.get("preview")
    # In the order of the list, for which there is an index: by id, newest first, all later deliveries would be read
    # before those of one broadcast.
    resolvable = rows.filter(state__in=obstacles.RESOLVABLE[decision.action]).select_related("client", "broadcast")
    some = list(resolvable[: SHOWN + 1])
    then: Forecast | None = context.get("then")
    number = then.number if then else found.number if found else None
    page = {
        "title": _title(decision, number),
        "decision": decision,
        "would_skip_all": then is not None and not then.number,
        "button": decision.button.format(f"{number:,}") if number else "",
        "some": some[:SHOWN],
        "more": len(some) > SHOWN,
    }
    return TemplateResponse(
        request, "admin/notifier/delivery/resolve.html", model_admin.page_context(request, page | context)
    )


def _title(decision: DeliveryDecision, number: int | None) -> str:
    if number is None:
        return decision.question.format("these messages")
    if not number:
        return f"{decision.label}: nothing to do"
    return decision.question.format(numbers.counted(number, "message"))
