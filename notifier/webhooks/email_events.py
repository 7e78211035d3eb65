"""Events of e-mail providers, such as bounces, by the webhooks of django-anymail.

`/hooks/mail/<provider>/tracking/` is there where EMAIL_BACKEND is one of that package's, for that provider alone, and
only with ANYMAIL_WEBHOOK_SECRET: nobody else may say that an address bounced.
"""

import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from time import monotonic
from typing import Any

from anymail.exceptions import AnymailConfigurationError, AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent, tracking
from django.conf import settings
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseForbidden
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from notifier.consent import provider_events
from notifier.models import ProviderEvent
from notifier.receipts import taking
from notifier.runtime import clock, db_faults, foreign_text
from notifier.staff import login_throttle
from notifier.web import minute_counts
from notifier.web.security_headers import Allowance
from notifier.webhooks import event_meaning

logger = logging.getLogger(__name__)

#: Wrong secrets from one address a minute. What comes from there after that is refused unread.
MAX_WRONG_SECRETS = 30
#: No mailbox has a longer address (RFC 5321), and no client of ours can have one.
MAX_ADDRESS = ProviderEvent._meta.get_field("address").max_length or 0
#: Refusals logged a minute by each process: anybody may post thousands.
complaints = Allowance(10)

#: How anymail names the setting without which it reads nothing.
_MISSING = re.compile(r"\{'(\w+)'")


class Unreadable(Exception):
    """The provider, or whoever knows its secret, posted something that is no event of its documentation."""


@csrf_exempt
def hook(request: HttpRequest, provider: str) -> HttpResponse:
    """Calls anymail's webhook of this provider, which checks the secret and reads what was posted.

    Only what comes after the reading, so our own fault, may end in an error 500, after which the provider tries again.
    """
    view = _webhook(provider)
    if view is None:
        raise Http404
    address = login_throttle.client_address(request)
    wrong = f"mail_hook:{address}"
    # Those whose address can't be told are not one visitor, and the provider may be among them.
    if address and minute_counts.so_far(wrong) >= MAX_WRONG_SECRETS:
        return _too_many()
    try:
        return view(request)
    except AnymailWebhookValidationFailure:
        minute_counts.count(wrong)
        _complain("%s’s webhook was called without its secret, or with a wrong signature.", provider)
        return HttpResponseForbidden()
    except AnymailConfigurationError as error:
        # The provider comes again: until then somebody may have set it. `manage.py check` asks for it as well.
        _complain("%s’s webhook can’t be used: %s.", provider, str(error))
        return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)
    except Unreadable as error:
        _complain("%s delivered what can’t be read as its events: %s.", provider, str(error))
        return HttpResponseBadRequest()


def _too_many() -> HttpResponse:
    answer = HttpResponse(status=login_throttle.TOO_MANY_REQUESTS)
    answer["Retry-After"] = str(minute_counts.MINUTE_SECONDS)
    return answer


def _complain(text: str, *words: str) -> None:
    if complaints.take(at=monotonic()):
        logger.warning(text, *words)


def missing_setting() -> str:
    """The setting without which the used provider's events can't be read, as for those that sign them; "" if none is.

    Only the first one that is missing.
    """
    view: Any = _view_of(_used_provider())
    try:
        if view:
            view.view_class(**view.view_initkwargs)
    except AnymailConfigurationError as error:
        found = _MISSING.search(str(error))
        return found[1] if found else str(error)
    return ""


def _webhook(provider: str) -> Callable[[HttpRequest], HttpResponse] | None:
    if _used_provider() != provider or not settings.ANYMAIL.get("WEBHOOK_SECRET"):
        return None
    view = _view_of(provider)
    return _guarded(view) if view else None


def _used_provider() -> str:
    used = re.fullmatch(r"anymail\.backends\.(\w+)\.EmailBackend", settings.EMAIL_BACKEND)
    return used[1] if used else ""


def _view_of(provider: str) -> Any:
    found = {pattern.name: pattern.callback for pattern in import_string("anymail.urls.urlpatterns")}
    return found.get(f"{provider}_tracking_webhook")


def _guarded(view: Any) -> Callable[[HttpRequest], HttpResponse]:
    guarded: Any = type("Guarded", (_OneByOne, view.view_class), {})
    made: Callable[[HttpRequest], HttpResponse] = guarded.as_view(**view.view_initkwargs)
    return made


#: Takes the place of anymail's view, which stands behind it.
_View: Any = object


class _OneByOne(_View):
    """Before anymail's view: it reads each event by itself, and raises `Unreadable` where none can be read.

    Anymail reads by indexing and expects each provider to keep to its documentation: anything else is a KeyError, an
    AttributeError, a RecursionError … Such an event is left out, and so is one with an address that nobody can have.
    The others of the same request are taken, and the answer is 200: after any other the provider would deliver them
    all again, for days. Where none is left it is 400, which shows at the provider: its webhook is not set up right.
    """

    #: Why events were left out, a word or two for each.
    _left_out: tuple[str, ...] = ()
    #: What was posted, once it was read as JSON.
    _body: Any = None

    def run_validators(self, request: HttpRequest) -> None:
        try:
            super().run_validators(request)
        except AnymailWebhookValidationFailure:
            raise
        except Exception as error:
            raise Unreadable(type(error).__name__) from error

    def parse_events(self, request: HttpRequest) -> list[AnymailTrackingEvent]:
        try:
            events = [event for event in super().parse_events(request) if event is not None]
        except Exception as error:
            raise Unreadable(type(error).__name__) from error
        usable = [event for event in events if _has_usable_address(event)]
        self._left_out += ("no address",) * (len(events) - len(usable))
        if self._left_out:
            self._tell(taken=len(usable))
        return usable

    def parse_json_body(self, request: HttpRequest) -> Any:
        """Unisender Go's. Anymail takes the entries of a batch out of it in one expression, which one entry fails."""
        if self._body is None:
            self._body = self._without_odd_entries(super().parse_json_body(request))
        return self._body

    def _without_odd_entries(self, body: Any) -> Any:
        users = body.get("events_by_user") if isinstance(body, dict) else None
        if not isinstance(users, list):
            return body
        found = [entry for user in users for entry in _entries_of(user)]
        good = [entry for entry in found if _is_entry(entry)]
        self._left_out += ("no entry",) * (len(found) - len(good))
        # Its documentation has one user in each batch, and anymail insists on that.
        first = next((user for user in users if isinstance(user, dict)), {})
        return body | {"events_by_user": [first | {"events": good}]}

    def _tell(self, *, taken: int) -> None:
        number, why = len(self._left_out), ", ".join(sorted(set(self._left_out)))
        if not taken:
            raise Unreadable(why)
        text = "%s delivered %s events that can’t be read (%s) beside %s that were taken."
        _complain(text, self.esp_name, str(number), why, str(taken))

    def esp_to_anymail_event(self, *told: Any) -> AnymailTrackingEvent | None:
        """Of one event of a request."""
        return self._one(super().esp_to_anymail_event, *told)

    def unwrap_event(self, told: Any) -> Any:
        """SparkPost's events come in a wrapper each. Anymail passes over one that is None."""
        return self._one(super().unwrap_event, told) or (None, None, told)

    def _one(self, read: Callable[..., Any], *told: Any) -> Any:
        try:
            return read(*told)
        except Exception as error:  # noqa: BLE001  (whatever anymail raises for what it does not expect)
            self._left_out += (type(error).__name__,)
            return None


def _entries_of(user: Any) -> list[Any]:
    """What one user's part of a batch holds; itself where it can't be read."""
    entries = user.get("events") if isinstance(user, dict) else None
    return entries if isinstance(entries, list) else [user]


def _is_entry(entry: Any) -> bool:
    """Whether it has a name, and with the name of a message's status what became of the message."""
    if not isinstance(entry, dict) or "event_name" not in entry:
        return False
    return entry["event_name"] != "transactional_email_status" or "event_data" in entry


def _has_usable_address(event: AnymailTrackingEvent) -> bool:
    """Whether it names no recipient, which says nothing, or one that could be somebody's."""
    # A mail that came in, which Mandrill reports here as well, has none.
    address = getattr(event, "recipient", None)
    if address is None:
        return True
    return isinstance(address, str) and len(address.strip()) <= MAX_ADDRESS and foreign_text.cleaned(address) == address


@receiver(tracking)
def _receive(event: AnymailTrackingEvent, esp_name: str, **kwargs: Any) -> None:
    """django-anymail reports each event by a signal."""
    now = clock.now()
    try:
        if found := event_meaning.translated(event, provider=esp_name, now=now):
            provider_events.record_event(found, now)
        if told := event_meaning.receipt(event, provider=esp_name, now=now):
            taking.take([told], now=now)
    except Exception as error:
        if db_faults.may_pass(error):  # the provider delivers them all again
            raise
        # Those beside it in the same request are recorded all the same. Delivered again, it would fail again.
        logger.exception("An event of %s could not be recorded.", esp_name)
