"""Why a row can't be taken although each of its cells is right."""

from collections.abc import Mapping, Sequence

from notifier.clients.imports.rows import ROW, Mistake


def mistake_in_words(mistake: str, found: Sequence[int], columns: Mapping[str, int]) -> Mistake:
    """`found`: the clients with this address and number, and the first lines with the address, number and client."""
    client, other_client, email_line, phone_line, client_line = found
    email, phone = columns.get("email", ROW), columns.get("phone", ROW)
    name = columns.get("name", columns.get("first_name", ROW))
    return {
        "owners": (
            phone,
            f"The e-mail address belongs to client {client}, but the phone number belongs to client {other_client}.",
        ),
        "email": (email, f"The same e-mail address is already on line {email_line}."),
        "phone": (phone, f"The same phone number is already on line {phone_line}."),
        "client": (ROW, f"It is the same client as on line {client_line}."),
        "nameless": (name, "A new client needs a name. No existing client has this address."),
    }[mistake]
