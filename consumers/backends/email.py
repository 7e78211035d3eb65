"""The backend that sends e-mail, chosen by EMAIL_BACKEND: SMTP of our own, or any other of Django's mail backends."""

from django.conf import settings

from consumers.backends.base import SendBackend
from consumers.backends.django_mail import DjangoMailBackend
from consumers.backends.smtp import SmtpBackend


def get_backend() -> SendBackend:
    return SmtpBackend() if settings.EMAIL_BACKEND == settings.SMTP_BACKEND else DjangoMailBackend()
