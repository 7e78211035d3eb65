"""Corrections made by hand: (old, new) of a template, before and after the marking."""
BEFORE: dict[str, list[tuple[str, str]]] = {}
AFTER: dict[str, list[tuple[str, str]]] = {}
#: (old, new) of Python files, by their path in notifier/.
PYTHON: dict[str, list[tuple[str, str]]] = {}
#: Files whose choices stay plain.
PLAIN_CHOICES: set[str] = set()
#: Fields of our own, or imported by name, that take labels as Django's do.
FIELDS = {"CharField", "BooleanField", "ChoiceField", "TextField", "EmailField", "PhoneNumberField", "ForeignKey", "ModelChoiceField"}
SENTENCES = True
