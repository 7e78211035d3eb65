"""SMS through Twilio's REST API."""

import json
import re
import ssl
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import httpcore
import httpx

from consumers.backends.base import (
    ChannelDown,
    Deadline,
    NoMessage,
    OutcomeUnknown,
    Outgoing,
    PerhapsDown,
    PermanentFailure,
    RecipientRefused,
    TemporaryFailure,
    addresses_of,
)
from consumers.backends.http_answers import ACCOUNT_REFUSED, retry_after
from notifier.messages import receipt_urls

FORM_TYPE = "application/x-www-form-urlencoded"
#: To connect to one address, and again to shake hands.
CONNECT_SECONDS = 10.0
#: For all of the answer, from the request on.
ANSWER_SECONDS = 30.0
#: Twilio's answers take about 1 KiB.
LONGEST_ANSWER_BYTES = 65_536

#: Errors before anything was sent; the last two mean a host name that can't be one.
UNREACHED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    UnicodeError,
)

#: "Attempt to send to unsubscribed recipient": they answered STOP, and Twilio itself then sends them nothing more.
OPTED_OUT = 21610

#: "Authenticate", and an account that is not active: whoever the message is for.
OUR_ACCOUNT = (20003, 20005)

#: A telephone number in the text of an error, however it is written.
_NUMBER = re.compile(r"\+?\(?\d[\d ()./-]{5,}\d")


class TwilioBackend:
    """POST /2010-04-01/Accounts/{SID}/Messages.json; https://www.twilio.com/docs/messaging/api/message-resource"""

    def __init__(self, url: str) -> None:
        self._deadline = Deadline(seconds=2 * CONNECT_SECONDS + 2 * ANSWER_SECONDS)
        self.longest_send_seconds = self._deadline.seconds
        self.answer_seconds = min(ANSWER_SECONDS, self.longest_send_seconds)
        parts = urlsplit(url)
        # Not parse_qs: it would read the plus of a number as a space.
        options = dict(part.partition("=")[::2] for part in parts.query.split("&"))
        scheme = "http" if options.get("insecure") == "1" else "https"
        account = unquote(parts.username or "")
        host = parts.netloc.rpartition("@")[2]  # not parts.hostname, which takes an IPv6 address out of its brackets
        self._sender = unquote(options.get("from", ""))
        self._url = f"{scheme}://{host}/2010-04-01/Accounts/{account}/Messages.json"
        self._client = httpx.Client(
            auth=(account, unquote(parts.password or "")),
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            transport=_BoundedTransport(self._deadline, is_encrypted=scheme == "https"),
            follow_redirects=False,
            trust_env=False,
        )

    def send(self, message: Outgoing) -> str:
        form = self._form(message)
        self._deadline.begin()
        try:
            request = self._client.build_request(
                "POST",
                self._url,
                content=form,
                headers={"Content-Type": FORM_TYPE, "X-Notifier-Delivery": message.reference},
            )
            response = self._client.send(request, stream=True)
        except UNREACHED as error:
            raise ChannelDown(f"the SMS provider can’t be reached: {_name(error)}") from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(f"the SMS provider’s answer was lost: {_name(error)}") from error
        try:
            return _judge(response.status_code, _read(response), retry_after(response.headers))
        finally:
            response.close()

    def _form(self, message: Outgoing) -> bytes:
        """Apart from the request, whose UnicodeError is one of the host's name and stops the whole channel."""
        try:
            form = {"To": message.address, "From": self._sender, "Body": message.body}
            if receipts := receipt_urls.url(message.reference, provider="twilio"):
                form["StatusCallback"] = receipts + receipt_urls.TWILIO_RETRIES
            return urlencode(form).encode("ascii")
        except UnicodeError as error:
            raise NoMessage(f"no SMS can be created from it: {type(error).__name__}") from error

    def hurry(self, until: float) -> None:
        self._deadline.hurry(until)

    def close(self) -> None:
        self._client.close()


class _BoundedTransport(httpx.HTTPTransport):
    """One connection, which is kept; gives up at the deadline, also where an answer comes byte by byte."""

    def __init__(self, deadline: Deadline, *, is_encrypted: bool) -> None:
        # Reading all certificates takes each thread longer than its first message.
        certificates = httpx.create_ssl_context(trust_env=False) if is_encrypted else None
        # Instead of the pool that httpx makes, which takes no network backend.
        self._pool = httpcore.ConnectionPool(
            ssl_context=certificates,
            max_connections=1,
            keepalive_expiry=5.0,
            network_backend=_BoundedNetwork(deadline),
        )


class _BoundedNetwork(httpcore.SyncBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *arguments: Any, **options: Any
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError("the host has no address")
        for address in _addresses_of(host, port):
            try:
                left = _step(self._deadline, CONNECT_SECONDS, httpcore.ConnectTimeout)
                stream = super().connect_tcp(address, port, left, *arguments, **options)
                return _BoundedStream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


def _addresses_of(host: str, port: int) -> list[str]:
    try:
        return addresses_of(host, port)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error


def _step(deadline: Deadline, seconds: float, error: type[Exception]) -> float:
    """Begin a step of so many seconds, or fewer where the send has fewer left."""
    deadline.begin_step(seconds)
    return _left(deadline, error)


def _left(deadline: Deadline, error: type[Exception]) -> float:
    try:
        return deadline.left()
    except TimeoutError as late:
        raise error(str(late)) from late


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # The answer to what is written last has to come whole within the same step.
        self._stream.write(buffer, _step(self._deadline, ANSWER_SECONDS, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _step(self._deadline, CONNECT_SECONDS, httpcore.ConnectTimeout)
        return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _judge(status: int, body: bytes, wait: timedelta | None) -> str:
    """The message's id at the provider, or the failure that its answer means."""
    if 200 <= status < 300:
        return _message_id(body)
    if status == 429:
        raise TemporaryFailure("429 too many requests", wait=wait)
    if status in (502, 504):
        # A gateway answers, which does not know whether the provider behind it took the message.
        raise OutcomeUnknown(f"{status}: a gateway lost the SMS provider’s answer")
    if status >= 500:
        raise TemporaryFailure(f"{status} from the SMS provider", wait=wait)
    if status == 400:
        code, complaint = _complaint(status, body)
        raise RecipientRefused(complaint) if code == OPTED_OUT else PermanentFailure(complaint)
    if status < 400:
        raise ChannelDown(f"{status}: the SMS provider redirected us; check SMS_URL")
    code, complaint = _complaint(status, body)
    if status in ACCOUNT_REFUSED or code in OUR_ACCOUNT:
        raise ChannelDown(f"{status}: the SMS provider rejected our request; check SMS_URL")
    raise PerhapsDown(f"{complaint}; if all are refused, check SMS_URL")


def _message_id(body: bytes) -> str:
    try:
        sid = json.loads(body)["sid"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise OutcomeUnknown("the SMS provider accepted it, but its answer can’t be read") from error
    if not isinstance(sid, str) or not sid:
        raise OutcomeUnknown("the SMS provider accepted it, but its answer has no message ID")
    return sid


def _complaint(status: int, body: bytes) -> tuple[object, str]:
    """Twilio's error code, and that with its text, without the number; https://www.twilio.com/docs/api/errors"""
    try:
        answer = json.loads(body)
        code = answer["code"]
        return code, f"{status}: {code} {_NUMBER.sub('…', str(answer.get('message', '')))}"[:300]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, f"{status}: the SMS provider rejected the message"


def _read(response: httpx.Response) -> bytes:
    """The body; empty where it is too long or takes too long, since a slow one would hold a sender for hours.

    It is read for every status: a body that is left unread costs the connection.
    """
    body = b""
    try:
        for part in response.iter_bytes():
            body += part
            if len(body) > LONGEST_ANSWER_BYTES:
                return b""
    except httpx.HTTPError:
        return b""
    return body


def _name(error: Exception) -> str:
    return str(error) or type(error).__name__
