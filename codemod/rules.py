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
#: Made with texts that a page shows.
SHOWING = {"Concern", "Figure"}
#: Where words are keys, commands' output or part of sentences.
PLAIN_FILES = {"overview/process_health.py"}
#: Where dictionaries of words are compared or are keys.
PLAIN_DICTS = {"admin/notifications/drafts.py"}
PYTHON["admin/broadcasts/rejected.py"] = [
    ('''    return f"Ask {found.editor or 'an editor'} to edit the text and mark it as ready to send."''',
     '''    if not found.editor:
        return "Ask an editor to edit the text and mark it as ready to send."
    return f"Ask {found.editor} to edit the text and mark it as ready to send."'''),
]
