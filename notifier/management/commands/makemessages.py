"""Django's own for what clients read, and with --staff for what staff read: each has a folder of its own."""

from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.core.management.commands import makemessages

#: Files, and folders with a slash at the end, of which clients read the texts. Those of all others are staff's.
CLIENTS_READ = (
    "notifier/consent/sms_answers.py",
    "notifier/messages/email.py",
    "notifier/messages/placeholders.py",
    "notifier/public/",
    "templates/public/",
)
#: What staff read has a folder of its own: clients' catalogues stay complete without it.
STAFF_FOLDER = "locale_staff"


class Command(makemessages.Command):
    is_of_staff = False

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--staff", action="store_true", help=f"What staff read, into {STAFF_FOLDER}/.")

    def handle(self, *args: Any, **options: Any) -> None:
        self.is_of_staff = options["staff"]
        if self.is_of_staff:
            # Whose languages are brought up to date, and where new ones begin.
            settings.LOCALE_PATHS = [settings.BASE_DIR / STAFF_FOLDER]
            options["keep_pot"] = True
        super().handle(*args, **options)

    def find_files(self, root: str) -> list[Any]:
        found = [file for file in super().find_files(root) if read_by_clients(file.path) != self.is_of_staff]
        if self.is_of_staff:
            self.locale_paths = [str(path) for path in settings.LOCALE_PATHS]
            for file in found:
                file.locale_dir = self.locale_paths[0]
        return found


def read_by_clients(path: str) -> bool:
    name = PurePath(path).as_posix()
    return any(name.startswith(place) if place.endswith("/") else name == place for place in CLIENTS_READ)
