"""Which transport this installation uses: BROKER_URL decides."""

from urllib.parse import urlsplit

from django.conf import settings
from django.utils.module_loading import import_string

from notifier.transport.base import Transport


def get_transport() -> Transport:
    transport: Transport = import_string(settings.TRANSPORTS[urlsplit(settings.BROKER_URL).scheme])(settings.BROKER_URL)
    return transport
