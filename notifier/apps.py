from django.apps import AppConfig


class NotifierConfig(AppConfig):
    name = "notifier"

    def ready(self) -> None:
        from notifier import checks  # noqa: F401
