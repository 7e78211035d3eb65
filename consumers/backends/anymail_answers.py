"""What became of a message that was given to one of django-anymail's backends."""

import ssl
from collections.abc import Iterator
from typing import Any

import requests
import urllib3
from anymail.exceptions import AnymailConfigurationError, AnymailRecipientsRefused

from consumers.backends import http_answers
from consumers.backends.base import (
    ChannelDown,
    NoMessage,
    OutcomeUnknown,
    PermanentFailure,
    SendFailure,
    TemporaryFailure,
    masked,
)
from consumers.backends.progress import Progress

#: What anymail says of a recipient whose message the provider took.
TAKEN = {"sent", "queued"}
NOT_TAKEN = {"invalid", "rejected", "failed"}
#: Of a longer answer no more is read for its words.
MAX_WORDS = 1000

#: Errors before any of the request was sent. requests raises those about a wrong setting, an address without a host or
#: a key with a line's end in it, before it hands the request over.
_NOT_CONNECTED = (
    requests.exceptions.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    ssl.SSLCertVerificationError,
)
#: The same by boto3, which is only there where Amazon SES is used.
_NOT_CONNECTED_NAMES = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProxyConnectionError",
    "NoRegionError",
    "UnknownEndpointError",
    "ProfileNotFound",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
}
#: boto3 looks through what it is given before it sends any of it.
_NO_REQUEST_NAMES = {"ParamValidationError"}
#: Amazon says 400 to all of these, with or without "Exception" at the end: our account, our key, our domain.
_REFUSES_US = {
    "AccessDenied",
    "AccountSendingPaused",
    "AccountSuspended",
    "ConfigurationSetDoesNotExist",
    "ConfigurationSetSendingPaused",
    "ExpiredToken",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignature",
    "LimitExceeded",
    "MailFromDomainNotVerified",
    "MissingAuthenticationToken",
    "NotFound",
    "OptInRequired",
    "RequestExpired",
    "SendingPaused",
    "SignatureDoesNotMatch",
    "UnrecognizedClient",
}
_TOO_FAST = {"RequestThrottled", "Throttling", "TooManyRequests"}


def failure_of(error: Exception, mail: Any, *, progress: Progress) -> SendFailure:
    """What an error means that anymail raised. `progress`: how far its request had come."""
    if isinstance(error, AnymailConfigurationError):
        return ChannelDown(f"the mail backend can’t be used: {masked(error)}")
    if progress is Progress.CONNECTING or any(map(_is_before_the_request, _chain(error))):
        return ChannelDown(f"the provider can’t be reached: {_reason(error)}")
    if progress is Progress.MAKING or any(type(cause).__name__ in _NO_REQUEST_NAMES for cause in _chain(error)):
        return NoMessage(f"the provider can’t accept it: {type(error).__name__}")
    if isinstance(error, AnymailRecipientsRefused):
        return _not_taken(mail.anymail_status)
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict) and (failure := _by_amazons_code(response)):
        return failure
    if (status := _status(response)) is not None:
        return http_answers.failure(status, _words(status, response), getattr(response, "headers", {}))
    return OutcomeUnknown(f"the provider’s answer was lost: {_reason(error)}")


def _by_amazons_code(response: dict[str, Any]) -> SendFailure | None:
    """The failure that a code of Amazon's means; None where its status says all."""
    code = str(response.get("Error", {}).get("Code", "")).removesuffix("Exception")
    words = _words(_status(response) or 0, response)
    if code in _REFUSES_US:
        return ChannelDown(f"the provider rejected our request: {words}")
    return TemporaryFailure(words) if code in _TOO_FAST else None


def _is_before_the_request(error: BaseException) -> bool:
    # HTTP writes its headers in Latin-1. Of what we put there only a key can be beyond it.
    is_bad_key = isinstance(error, UnicodeEncodeError) and error.encoding == "latin-1"
    return is_bad_key or isinstance(error, _NOT_CONNECTED) or type(error).__name__ in _NOT_CONNECTED_NAMES


def raise_unless_taken(mail: Any) -> None:
    """Raise what became of a mail that anymail did not complain of, unless the provider took it."""
    status = mail.anymail_status
    if not status.status or not status.status <= TAKEN:
        raise _not_taken(status)


def _not_taken(status: Any) -> SendFailure:
    """The failure where the provider answered, and said of the recipient something else than that it took it."""
    said = status.status or set()
    code = _status(status.esp_response) or 0
    words = _words(code, status.esp_response)
    if said and said <= NOT_TAKEN:
        return PermanentFailure(f"the provider rejected the recipient: {words}")
    return http_answers.failure(code, words, getattr(status.esp_response, "headers", {}))


def _status(response: Any) -> int | None:
    if isinstance(response, dict):  # boto3's
        response_status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        response_status = getattr(response, "status_code", None)
    return response_status if isinstance(response_status, int) else None


def _words(status: int, response: Any) -> str:
    text = str(response.get("Error", "")) if isinstance(response, dict) else str(getattr(response, "text", ""))
    return f"{status} {masked(' '.join(text[:MAX_WORDS].split()))}".strip() if text else str(status)


def _reason(error: Exception) -> str:
    """The innermost error's name: its text has the address of the request in it, and some providers' keys with that."""
    return type(list(_chain(error))[-1]).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it. urllib3's stand in `reason` and among the arguments."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += [found.__cause__, getattr(found, "reason", None), *found.args]
