import os
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from notifier.runtime import this_machine
from notifier.staff import published_passwords


class Command(BaseCommand):
    help = "Creates the first user from DJANGO_SUPERUSER_USERNAME, _PASSWORD and _EMAIL, unless that user exists."

    def handle(self, *args: Any, **options: Any) -> None:
        name, password, email = (
            os.environ.get(f"DJANGO_SUPERUSER_{part}", "").strip() for part in ("USERNAME", "PASSWORD", "EMAIL")
        )
        if not name or not password:
            raise CommandError("set DJANGO_SUPERUSER_USERNAME and DJANGO_SUPERUSER_PASSWORD.")
        if published_passwords.is_published(username=name, password=password) and not this_machine.is_tried_out():
            raise CommandError(
                "DJANGO_SUPERUSER_PASSWORD is the one published in docker-compose.yml, and "
                f"{(settings.OTHER_HOSTS or [settings.PUBLIC_URL])[0]} is not for this machine only: set another password."
            )
        if User.objects.filter(username=name).exists():
            self.stdout.write(f"The user {name} already exists. Nothing was changed.")
            return
        User.objects.create_superuser(name, email, password)
        self.stdout.write(f"Created the user {name}.")
