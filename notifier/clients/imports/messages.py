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
            f"The e-mail address is that of client {client}, and the phone number that of client {other_client}.",
        ),
        "email": (email, f"The same e-mail address is on line {email_line} already."),
        "phone": (phone, f"The same phone number is on line {phone_line} already."),
        "client": (ROW, f"It is the same client as on line {client_line}."),
        "nameless": (name, "A new client needs a name: nobody has this address yet."),
    }[mistake]
