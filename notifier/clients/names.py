"""A client's first and last name, and the full name that is made of them."""

from notifier.models import Client


def full_name(*, first_name: str, last_name: str) -> str:
    """Empty where neither is known. The database compares it with the same letters: see the migration 0031."""
    return " ".join(part for part in (first_name, last_name) if part)


def rename(client: Client, *, first_name: str = "", last_name: str = "", name: str = "") -> None:
    """Put these on the client, which is not saved: a first and a last name, or `name` where there is neither."""
    client.first_name, client.last_name = first_name, last_name
    client.name = full_name(first_name=first_name, last_name=last_name) or name
