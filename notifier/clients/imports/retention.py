"""How long what staff uploaded is kept. It is full of personal data."""

from datetime import datetime, timedelta

from notifier.models import ClientImport

#: A file that nobody went on with, and the rows that an import did not take.
KEEP_UPLOADED = timedelta(days=1)
KEEP_FAILED_ROWS = timedelta(days=14)


def purge(*, now: datetime) -> None:
    """Empty what has been kept for long enough; what was imported when, by whom and with what result stays."""
    ClientImport.objects.filter(state=ClientImport.State.UPLOADED, created_at__lt=now - KEEP_UPLOADED).update(
        state=ClientImport.State.DISCARDED, content=b"", finished_at=now
    )
    ClientImport.objects.filter(finished_at__lt=now - KEEP_FAILED_ROWS).exclude(failed_rows="").update(failed_rows="")
