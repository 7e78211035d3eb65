"""Mail for a developer's eyes: one line each, where Django's own console backend dumps the MIME source."""

import sys
import threading
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

_lock = threading.Lock()


class EmailBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            body = " ".join(str(message.body).split())
            print_line(f"e-mail to {', '.join(message.recipients())}: {message.subject} | {body}")
        return len(email_messages)


def print_line(line: str) -> None:
    """Print a whole line at once: many threads share the console."""
    with _lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
