"""Where SMS providers report what became of a message. Nothing of a request is used before its signature is checked."""

import logging
from http import HTTPStatus
from time import monotonic

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseForbidden
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notifier.messages import receipt_urls
from notifier.models import Channel
from notifier.receipts.gathering import gatherer
from notifier.receipts.taking import Told
from notifier.runtime import clock
from notifier.web.security_headers import Allowance
from notifier.webhooks import sms
from notifier.webhooks.base import Forged, NotAReceipt

logger = logging.getLogger(__name__)

#: Refusals logged a minute by each process.
complaints = Allowance(10)


@csrf_exempt
@never_cache
@require_POST
def receipt(request: HttpRequest, provider: str, token: str) -> HttpResponse:
    """Takes a receipt: 204 for one that is a provider's, whatever it is for. After a 5xx the provider calls again."""
    found = sms.provider_called(provider)
    if found is None:
        raise Http404
    if not sms.is_small_form(request):
        return HttpResponseForbidden()
    try:
        told = found.read_receipt(request)
        reference = receipt_urls.read_token(token)
    except Forged:
        _complain("A receipt of %s was refused: its signature is wrong. See the log on SMS replies for why.", provider)
        return HttpResponseForbidden()
    except receipt_urls.BadToken:
        _complain("%s delivered a receipt to an address that we did not sign with the present keys.", provider)
        return HttpResponseBadRequest()
    except NotAReceipt:
        _complain("%s delivered something that is not a receipt; it was not kept.", provider)
        return HttpResponseBadRequest()
    now = clock.now()
    one = Told(
        reference=reference,
        channel=Channel.SMS,
        state=told.state,
        at=told.at or now,
        provider=provider,
        provider_id=told.provider_id,
        code=told.code,
    )
    gatherer.take(one, now=now)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _complain(text: str, provider: str) -> None:
    if complaints.take(at=monotonic()):
        logger.warning(text, provider)
