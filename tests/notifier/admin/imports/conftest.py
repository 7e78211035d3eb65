import pytest
from django.test import Client as Browser

from tests.notifier.admin.conftest import LogIn


@pytest.fixture
def importer(staff: LogIn) -> Browser:
    """Somebody who may import, and nothing else."""
    return staff("notifier.import_client")
