"""When a notification is sent, and by whose decision. To whom is `audience`'s, sending itself `delivery`'s."""
