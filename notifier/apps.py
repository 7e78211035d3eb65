from django.apps import AppConfig


class NotifierConfig(AppConfig):
    name = "notifier"

    def ready(self) -> None:
        """Registers the pages and the system checks.

        Not in `notifier.admin` itself, as Django would have it: asking for the site imports that package first, and
        whatever registered then would be lost with the half-made site.
        """
        from notifier import checks  # noqa: F401
        from notifier.admin import registry  # noqa: F401
