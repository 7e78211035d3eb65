"""Whether an installation is for its own machine alone. What is published may be used there, and nowhere else."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings


def is_this_machine(host: str) -> bool:
    """Whether the name or address of a host always means the machine that asks."""
    host = host.lower().rstrip(".").removeprefix("[").removesuffix("]")
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def is_linked_to() -> bool:
    """Whether clients' links lead to this machine."""
    return is_this_machine(urlsplit(settings.PUBLIC_URL).hostname or "")


def is_tried_out() -> bool:
    """Whether nobody else is meant to use what runs here: by its links, and by the names that it answers to.

    PUBLIC_URL alone does not show it: it may have been forgotten.
    """
    return is_linked_to() and not settings.OTHER_HOSTS


def is_stranger(address: str) -> bool:
    """Whether the address of a client is of the internet. Whoever asks a container here comes from a private one."""
    try:
        return ip_address(address).is_global
    except ValueError:
        return False
