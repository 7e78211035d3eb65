"""The machinery: processes, rates, and tickets in the database."""

from tests.support.pages.of_model import of_model
from tests.support.pages.page import Picture

PAGES = [
    *of_model("notifier_process", view=("view_process",), pictures={"changelist": (Picture(name="workers"),)}),
    *of_model("notifier_queuedticket", view=("view_queuedticket",)),
    *of_model(
        "notifier_throttle",
        view=("view_throttle",),
        change=("change_throttle",),
        changed={"rate": "20/s"},
        pictures={"changelist": (Picture(name="throttles"),)},
    ),
]
