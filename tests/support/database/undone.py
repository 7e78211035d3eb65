"""A stretch of a test after which the database is as it was before."""

from typing import Any

from django.db import transaction


class undone(transaction.Atomic):  # noqa: N801  (reads like the function that it stands for)
    """Whatever happens within leaves no trace, an error of the database included."""

    def __init__(self) -> None:
        super().__init__(using=None, savepoint=True, durable=False)

    def __exit__(self, *error: Any) -> None:
        transaction.set_rollback(True)
        super().__exit__(*error)
