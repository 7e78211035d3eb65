"""E-mail through one of Django's mail backends, such as django-anymail's for the providers' own interfaces."""

from importlib import import_module
from types import ModuleType
from typing import Any

from django.conf import settings
from django.core.mail import get_connection

from consumers.backends import mime
from consumers.backends.base import ChannelDown, Deadline, OutcomeUnknown, Outgoing, SendFailure, masked
from consumers.backends.progress import Progress

#: Connect, request and answer: each may take EMAIL_TIMEOUT.
PHASES = 3


class DjangoMailBackend:
    """An error while opening the connection means `ChannelDown`; one while sending means `OutcomeUnknown`.

    Except with django-anymail, whose answers we understand.
    """

    def __init__(self) -> None:
        self._deadline = Deadline(seconds=PHASES * settings.EMAIL_TIMEOUT)
        self.longest_send_seconds = self._deadline.seconds
        self.answer_seconds = min(float(settings.EMAIL_TIMEOUT), self.longest_send_seconds)
        self._connection: Any = None
        #: How far the present message came. Known of anymail's alone.
        self._progress = Progress.WRITING
        is_anymail = settings.EMAIL_BACKEND.startswith("anymail.backends.")
        # Imported where it is used only: it takes as long as all the rest.
        self._anymail: ModuleType | None = import_module("consumers.backends.anymail_answers") if is_anymail else None

    def open(self) -> None:
        if self._connection is not None:
            return
        try:
            connection: Any = get_connection(settings.EMAIL_BACKEND)
            connection.open()
        except Exception as error:
            raise ChannelDown(f"the mail backend can’t be opened: {masked(error)}") from error
        self._connection = connection
        if self._anymail and self._is_watched():
            import_module("consumers.backends.anymail_session").watch(connection.session, self._reached, self._deadline)

    def send(self, message: Outgoing) -> str:
        self._deadline.begin()
        self.open()
        # Before any of it is handed over, so that what can't be made is known not to have been sent.
        mime.check(message)
        mail: Any = mime.build(message)
        # The provider's later reports on the message carry this along: notifier/webhooks/event_meaning.py.
        mail.metadata = {"delivery": message.reference}
        self._progress = Progress.MAKING if self._anymail and self._is_watched() else Progress.WRITING
        try:
            sent = self._connection.send_messages([mail])
        except SendFailure:
            raise
        except Exception as error:
            raise self._failure(error, mail) from error
        if sent == 0:  # None is a backend that does not count
            raise OutcomeUnknown("the mail backend reported that it sent nothing, without a reason")
        if self._anymail:
            self._anymail.raise_unless_taken(mail)
        provider_id = getattr(getattr(mail, "anymail_status", None), "message_id", None)
        return "" if provider_id is None else str(provider_id)

    def hurry(self, until: float) -> None:
        """Heard by anymail's HTTP sessions alone; what another backend does then is written off by the sender."""
        self._deadline.hurry(until)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _failure(self, error: Exception, mail: Any) -> SendFailure:
        if self._anymail:
            failure: SendFailure = self._anymail.failure_of(error, mail, progress=self._progress)
        else:
            failure = OutcomeUnknown(f"the mail backend failed while sending: {masked(error)}")
        if isinstance(failure, OutcomeUnknown | ChannelDown):
            self.close()
        return failure

    def _is_watched(self) -> bool:
        return hasattr(getattr(self._connection, "session", None), "send")

    def _reached(self, progress: Progress) -> None:
        # Never back: one that is sent on to another address had arrived at the first.
        self._progress = max(progress, self._progress)
