"""Whether an installation is for its own machine alone. What is published may be used there, and nowhere else."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings


def is_this_machine(host: str) -> bool:
    """Whether the name or address of a host always means the machine that asks."""
    host = host.lower().rstrip(".")
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def is_tried_out() -> bool:
    """Whether clients' links lead to this machine, so that nobody else is meant to use what runs here."""
    return is_this_machine(urlsplit(settings.PUBLIC_URL).hostname or "")
