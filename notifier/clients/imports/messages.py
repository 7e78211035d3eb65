"""Why a row can't be taken although each of its cells is right."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from notifier.clients.imports.rows import ROW, Mistake


class Owner(NamedTuple):
    """A client who has an address of a row."""

    pk: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (client {self.pk})"


def mistake_in_words(
    mistake: str, owners: Sequence[Owner], lines: Sequence[int], columns: Mapping[str, int]
) -> Mistake:
    """`owners`: the clients with this address and number, where they are two; `lines`: the first ones with the address,
    the number and the client."""
    email_line, phone_line, client_line = lines
    email, phone = columns.get("email", ROW), columns.get("phone", ROW)
    name = columns.get("name", columns.get("first_name", ROW))
    if mistake == "owners":
        by_email, by_phone = owners
        return phone, f"The e-mail address belongs to {by_email}, but the phone number belongs to {by_phone}."
    return {
        "email": (email, f"The same e-mail address is already on line {email_line}."),
        "phone": (phone, f"The same phone number is already on line {phone_line}."),
        "client": (ROW, f"It is the same client as on line {client_line}."),
        "nameless": (name, "A new client needs a name. No existing client has this address."),
    }[mistake]
