"""How long a backend waits for the fakes' answers, and the e-mail backend at a fake server."""

import inspect
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from consumers.backends.base import SendBackend
from consumers.backends.email import get_backend
from tests.consumers.backends.mails import use
from tests.consumers.backends.patience import HASTY_SECONDS, PATIENT_SECONDS
from tests.support.fakes.smtp import FakeSmtp

_IN_VAIN = ("hang", "drip")


@pytest.fixture
def in_vain() -> None:
    """For a test that waits for an answer in vain, where its own text does not tell."""


@pytest.fixture
def answer_seconds(request: pytest.FixtureRequest) -> float:
    """Short only where it has to pass: anywhere else a busy machine would take an answer for none."""
    source = inspect.getsource(request.function)
    is_in_vain = "in_vain" in request.fixturenames or any(word in source for word in _IN_VAIN)
    return HASTY_SECONDS if is_in_vain else PATIENT_SECONDS


@pytest.fixture
def server(fake_smtp: FakeSmtp, settings: Settings, answer_seconds: float) -> FakeSmtp:
    use(fake_smtp, settings)
    settings.EMAIL_TIMEOUT = answer_seconds
    return fake_smtp


@pytest.fixture
def backend(server: FakeSmtp) -> Iterator[SendBackend]:
    backend = get_backend()
    yield backend
    backend.close()
