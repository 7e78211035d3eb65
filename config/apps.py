from importlib import import_module
from typing import Any

from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register

#: Registers every page. The URLs import it; a process that serves none starts without, in half the time.
PAGES = "notifier.admin.registry"


class NotifierAdminConfig(SimpleAdminConfig):
    default_site = "notifier.admin.site.NotifierAdminSite"

    def ready(self) -> None:
        register(check_dependencies, Tags.admin)
        register(check_pages, Tags.admin)


def check_pages(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What Django says about the pages, which may not be registered before: checks run in no fixed order."""
    import_module(PAGES)
    messages: list[CheckMessage] = check_admin_app(app_configs, **kwargs)
    return messages
