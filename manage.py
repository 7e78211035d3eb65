#!/usr/bin/env python
"""Django's command line, with settings mistakes told in plain words."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError


def main() -> None:
    # The tests bring their own settings: they run in a fresh clone, and never on what .env names.
    is_test = sys.argv[1:2] == ["test"]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings" if is_test else "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"error: {error}")
    except (OperationalError, ProgrammingError) as error:
        # Only now: it reads settings, which may be what was wrong.
        from notifier.web import log_redaction

        if "--traceback" in sys.argv:
            raise
        what = " ".join(log_redaction.redacted(str(error)).split())
        sys.exit(f"error: the database can't be used: {what}. Check DATABASE_URL; for new tables: manage.py migrate")


if __name__ == "__main__":
    main()
