"""How tickets travel from the dispatcher to the consumers. What is in a message is not known here."""
