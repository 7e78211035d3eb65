"""A client's own page: what they hear about, by which channel, and *stop everything*."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from notifier.consent import preference_center
from notifier.consent.preference_center import Choice, CurrentConsent
from notifier.messages import signed_links
from notifier.messages.signed_links import BadLink, Link
from notifier.models import Channel, Client, ConsentChange, Suppression, Topic
from notifier.public import rate_limits, responses
from notifier.public.unsubscribe import origin_of
from notifier.runtime import clock

SEE_OTHER = 303
#: The redirect after a POST carries one of these words, and the page says what was done.
SAID = ("saved", "same", "stopped")
#: A switch that was shown as on is named `keep.…`, with a hidden `seen.…` beside it; one that was off, `add.…`. If both
#: had one name, a browser that goes back would put old ticks into the page as it is now.
_FIELD = re.compile(r"(add|keep|seen)\.(\d{1,18})\.([a-z]{1,10})", re.ASCII)

_EMAIL, _SMS = Channel.EMAIL, Channel.SMS
_SOURCE = Suppression.Source
_LABELS = {_EMAIL: _("E-mail"), _SMS: _("SMS")}
_UNAVAILABLE = {
    _EMAIL: _("not available: we don’t have your e-mail address"),
    _SMS: _("not available: we don’t have your phone number"),
}
_CLOSED = _("not available: unsubscribed. See above how to get it again")
_SUPPRESSED = {
    (_EMAIL, _SOURCE.CLIENT): _("You unsubscribed from all e-mails. To get some again, turn them on here."),
    (_SMS, _SOURCE.CLIENT): _(
        "You replied STOP, so we don’t send you SMS. To get them again, reply START to one of our messages."
    ),
    (_EMAIL, _SOURCE.COMPLAINT): _(
        "One of our e-mails was reported as spam, so we don’t send you any. To get them again, please contact us."
    ),
    (_EMAIL, _SOURCE.BOUNCE): _(
        "Our e-mails to you bounced, so we don’t send you any, whatever is turned on here. Please give us an address "
        "that works."
    ),
    (_SMS, _SOURCE.BOUNCE): _(
        "Our SMS could not be delivered to you, so we don’t send you any, whatever is turned on here. Please give us a "
        "number that works."
    ),
}
#: For every other source.
_STOPPED = {
    _EMAIL: _("We don’t send you e-mails, whatever is turned on here. To get them again, please contact us."),
    _SMS: _("We don’t send you SMS, whatever is turned on here. To get them again, please contact us."),
}


@dataclass(frozen=True, slots=True)
class Switch:
    label: str | Promise
    choice: str
    is_on: bool
    #: Why there is no switch; "" where there is one.
    missing: str | Promise

    @property
    def name(self) -> str:
        return f"{'keep' if self.is_on else 'add'}.{self.choice}"

    @property
    def seen(self) -> str:
        return f"seen.{self.choice}"


@dataclass(frozen=True, slots=True)
class TopicRow:
    topic: Topic
    switches: list[Switch]


# No CSRF token is needed, as in unsubscribe.py: the link is the authority, and no browser adds it by itself.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def preferences_page(request: HttpRequest, token: str) -> HttpResponse:
    try:
        link = signed_links.read_token(token)
    except BadLink:
        return responses.unknown(request)
    client = None if link.is_test_message else Client.objects.filter(pk=link.client_id).first()
    if client is None and not link.is_test_message:
        return responses.unknown(request)
    if request.method == "POST":
        return _take(request, link, client)
    if rate_limits.is_looked_at_too_often(client_id=link.client_id):
        return responses.too_many(request, client)
    return _show(request, link, client)


def _take(request: HttpRequest, link: Link, client: Client | None) -> HttpResponse:
    """Changes only the switches that were moved: an old page must not bring back what was refused since."""
    if link.is_test_message:
        return _said("same")
    origin = origin_of(request, link, ConsentChange.Source.PAGE)
    if "stop" in request.POST:
        preference_center.stop_everything(client_id=link.client_id, origin=origin, now=clock.now())
        return _said("stopped")
    posted = _read(request.POST)
    on, off = posted["add"] - posted["seen"], posted["seen"] - posted["keep"]
    if not off and rate_limits.is_looked_at_too_often(client_id=link.client_id):
        return responses.too_many(request, client)
    try:
        moved = preference_center.choose(client_id=link.client_id, on=on, off=off, origin=origin, now=clock.now())
    except preference_center.TooManyAgreements:
        return responses.too_many(request, client)
    return _said("saved" if moved else "same")


def _said(word: str) -> HttpResponse:
    return HttpResponseRedirect(f"?{word}", status=SEE_OTHER, headers=responses.HEADERS)


def _read(names: Iterable[str]) -> dict[str, set[Choice]]:
    """The switches that the form names; other fields are ignored."""
    found: dict[str, set[Choice]] = {"add": set(), "keep": set(), "seen": set()}
    for match in map(_FIELD.fullmatch, names):
        if match and match[3] in Channel.values:
            found[match[1]].add((int(match[2]), Channel(match[3])))
    return found


def _show(request: HttpRequest, link: Link, client: Client | None) -> HttpResponse:
    if client and client.erased_at:
        return responses.render(request, "nothing_left", reader=client)
    consent = (
        preference_center.current_consent(client)
        if client
        else CurrentConsent(frozenset({(link.topic_id, _EMAIL)}), {})
    )
    missing = _missing(client, consent) if client else {}
    return responses.render(
        request,
        "preferences",
        reader=client,
        client=client,
        is_test_message=link.is_test_message,
        rows=[_row(topic, consent, missing) for topic in Topic.objects.order_by("name")],
        notes=_notes(consent),
        said=_word(request, consent),
    )


def _word(request: HttpRequest, consent: CurrentConsent) -> str:
    """What the POST before did, unless that no longer holds: a client may keep the URL and open it again."""
    word = next((word for word in SAID if word in request.GET), "")
    return "" if word == "stopped" and consent.shown else word


def _missing(client: Client, consent: CurrentConsent) -> dict[Channel, str | Promise]:
    has = {_EMAIL: bool(client.email), _SMS: bool(client.phone)}
    missing: dict[Channel, str | Promise] = {
        channel: words for channel, words in _UNAVAILABLE.items() if not has[channel]
    }
    return missing | {channel: _CLOSED for channel in Channel if has[channel] and consent.is_closed(channel)}


def _row(topic: Topic, consent: CurrentConsent, missing: dict[Channel, str | Promise]) -> TopicRow:
    switches = [
        Switch(
            label=_LABELS[channel],
            choice=f"{topic.pk}.{channel.value}",
            is_on=(topic.pk, channel) in consent.shown,
            missing=missing.get(channel, ""),
        )
        for channel in Channel
    ]
    return TopicRow(topic, switches)


def _notes(consent: CurrentConsent) -> list[str | Promise]:
    return [_SUPPRESSED.get((channel, source), _STOPPED[channel]) for channel, source in consent.suppressed.items()]
