"""What is said to a client: text, its forms and its links. To whom and when is not known here."""
