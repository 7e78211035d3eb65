"""The page of a mail's *Unsubscribe* link, and of the mail program's own button."""

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from notifier.consent import preference_center
from notifier.consent.consents import Origin
from notifier.messages import signed_links
from notifier.messages.signed_links import BadLink, Link
from notifier.models import Channel, Client, ConsentChange, Topic
from notifier.public import rate_limits, responses
from notifier.runtime import clock
from notifier.staff import login_throttle


# No CSRF token: the link is the only authority, and no browser adds it by itself as it adds a cookie. A mailbox
# provider could not send a token either (RFC 8058, 3.2).
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest, token: str) -> HttpResponse:
    """GET changes nothing, for scanners follow links. POST unsubscribes, whatever it contains, without a redirect."""
    try:
        link = signed_links.read_token(token)
    except BadLink:
        return responses.unknown(request)
    topic = Topic.objects.filter(pk=link.topic_id).first()
    client = None if link.is_test_message else Client.objects.filter(pk=link.client_id).first()
    if not link.is_test_message and (topic is None or client is None):
        return responses.unknown(request)
    if request.method == "POST":
        if topic and not link.is_test_message:
            _withdraw(request, link, topic)
        return _answer(request, "unsubscribed", token, link, topic, client)
    if rate_limits.is_looked_at_too_often(client_id=link.client_id):
        return responses.too_many(request, client)
    return _answer(request, "unsubscribe", token, link, topic, client)


def _withdraw(request: HttpRequest, link: Link, topic: Topic) -> None:
    source = ConsentChange.Source.ONE_CLICK if _is_one_click(request) else ConsentChange.Source.LINK
    origin = origin_of(request, link, source)
    preference_center.withdraw(
        client_id=link.client_id, topic=topic, channel=Channel.EMAIL, origin=origin, now=clock.now()
    )


def origin_of(request: HttpRequest, link: Link, source: ConsentChange.Source) -> Origin:
    detail = f"broadcast {link.broadcast_id}" if link.broadcast_id else ""
    return Origin(source, detail=detail, ip=login_throttle.client_address(request))


def _is_one_click(request: HttpRequest) -> bool:
    """Whether the mail program's button was pressed. Only the evidence depends on it: an unreadable body acts too."""
    try:
        return request.POST.get("List-Unsubscribe", "").strip().lower() == "one-click"
    except (BadRequest, SuspiciousOperation, MultiPartParserError, OSError):
        return False


def _answer(
    request: HttpRequest, name: str, token: str, link: Link, topic: Topic | None, client: Client | None
) -> HttpResponse:
    return responses.render(
        request,
        name,
        reader=client,
        topic=topic.name if topic else "",
        is_test_message=link.is_test_message,
        preferences=reverse("preferences", args=[token]),
    )
