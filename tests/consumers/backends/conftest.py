"""How long a backend waits for the fakes' answers."""

import inspect

import pytest

#: For each answer, where a fake is made to say nothing, or a letter at a time: a test waits for it in vain.
HASTY_SECONDS = 1.0
PATIENT_SECONDS = 30.0
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
