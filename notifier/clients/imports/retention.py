"""How long uploaded files are kept, which are full of personal data."""

from datetime import datetime, timedelta

from notifier.models import ClientImport

#: For a file that was not imported, and for the rows that an import did not take.
KEEP_UPLOADED = timedelta(days=1)
KEEP_FAILED_ROWS = timedelta(days=14)


def purge(*, now: datetime) -> None:
    """Empty files and failed rows that are too old; the record of each import stays."""
    ClientImport.objects.filter(state=ClientImport.State.UPLOADED, created_at__lt=now - KEEP_UPLOADED).update(
        state=ClientImport.State.DISCARDED, content=b"", finished_at=now
    )
    ClientImport.objects.filter(finished_at__lt=now - KEEP_FAILED_ROWS).exclude(failed_rows="").update(failed_rows="")
