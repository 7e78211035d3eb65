"""Where SMS providers deliver replies. No request is used or stored before its signature was checked."""

import logging
from time import monotonic
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseForbidden
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notifier.consent import sms_answers, sms_replies
from notifier.runtime import clock
from notifier.web.request_sizes import declared_bytes
from notifier.web.security_headers import Allowance
from notifier.webhooks.base import Forged, NotAReply, SmsProvider

logger = logging.getLogger(__name__)

#: A form of Twilio's with a text of 1,600 characters, each in nine bytes, is well under it.
MAX_BYTES = 65_536
FORM = "application/x-www-form-urlencoded"

#: Forged requests logged a minute by each process: anybody may send thousands.
complaints = Allowance(10)


@csrf_exempt
@never_cache
@require_POST
def sms(request: HttpRequest, provider: str) -> HttpResponse:
    """Takes an SMS that somebody sent to our number."""
    found = provider_called(provider)
    if found is None:
        raise Http404
    if not is_small_form(request):
        return HttpResponseForbidden()
    try:
        reply = found.read_reply(request)
    except Forged:
        if complaints.take(at=monotonic()):
            logger.warning(
                "An SMS reply was refused: its signature is not that of %s. Either it is forged, or PUBLIC_URL is "
                "not the address that the provider was given, or SMS_URL has another token.",
                provider,
            )
        return HttpResponseForbidden()
    except NotAReply:
        logger.warning("%s delivered something that is not an SMS reply; it was not kept.", provider)
        return HttpResponseBadRequest()
    outcome = sms_replies.receive(reply=reply, now=clock.now())
    return found.respond(sms_answers.answer(reply=reply, outcome=outcome))


def provider_called(name: str) -> SmsProvider | None:
    """The provider that we send by; None for another, which has no token to sign with."""
    if name != urlsplit(settings.SMS_URL).scheme or name not in settings.INBOUND_SMS:
        return None
    chosen: type[SmsProvider] = import_string(settings.INBOUND_SMS[name])
    return chosen(settings.SMS_URL)


def is_small_form(request: HttpRequest) -> bool:
    """Checked before anything is read. Without a length, as in a chunked request, Django reads nothing."""
    size = declared_bytes(request)
    return size is not None and size <= MAX_BYTES and request.content_type == FORM
