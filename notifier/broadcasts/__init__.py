"""To whom a notification goes, when, and by whose decision. Sending itself is `delivery`'s."""
