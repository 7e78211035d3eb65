"""E-mail through one of Django's mail backends, such as django-anymail's for the providers' own interfaces."""

from typing import Any

from django.conf import settings
from django.core.mail import get_connection
from django.utils.module_loading import import_string

from consumers.backends import mime
from consumers.backends.base import (
    ChannelDown,
    OutcomeUnknown,
    Outgoing,
    PermanentFailure,
    SendFailure,
    masked,
)


class DjangoMailBackend:
    """An error while opening the connection means `ChannelDown`; one while sending means `OutcomeUnknown`."""

    def __init__(self) -> None:
        self.longest_send_seconds = float(settings.EMAIL_TIMEOUT)
        self._connection: Any = None
        is_anymail = settings.EMAIL_BACKEND.startswith("anymail.backends.")
        self._refused = import_string("anymail.exceptions.AnymailRecipientsRefused") if is_anymail else ()

    def open(self) -> None:
        if self._connection is not None:
            return
        try:
            connection = get_connection(settings.EMAIL_BACKEND)
            connection.open()
        except Exception as error:
            raise ChannelDown(f"the mail backend can't be opened: {masked(error)}") from error
        self._connection = connection

    def send(self, message: Outgoing) -> str:
        self.open()
        # Made once before any of it is handed over, so that what can't be made is known not to have been sent.
        mime.source(message)
        mail = mime.build(message)
        # The provider's later reports on the message carry this along: notifier/webhooks/email_events.py.
        mail.metadata = {"delivery": message.reference}  # type: ignore[attr-defined]
        try:
            sent = self._connection.send_messages([mail])
        except SendFailure:
            raise
        except self._refused as error:
            raise PermanentFailure("the provider refuses the recipient") from error
        except Exception as error:
            self.close()
            raise OutcomeUnknown(f"the mail backend failed while sending: {masked(error)}") from error
        if sent == 0:  # None is a backend that does not count
            raise OutcomeUnknown("the mail backend says that it sent nothing, and not why")
        provider_id = getattr(getattr(mail, "anymail_status", None), "message_id", None)
        return "" if provider_id is None else str(provider_id)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
