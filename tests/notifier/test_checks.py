import pytest
from django.core.checks import run_checks
from pytest_django.fixtures import Settings

from notifier import checks


def warnings() -> dict[str, str]:
    return {warning.id or "": f"{warning.msg} {warning.hint}" for warning in checks.check_times(None)}


def test_the_defaults_go_together() -> None:
    assert warnings() == {}


def test_check_runs_it(settings: Settings) -> None:
    settings.LEASE_SECONDS = 1

    assert "notifier.W002" in [message.id for message in run_checks()]


@pytest.mark.parametrize(("lifetime", "warned"), [(800, False), (799, True)])
def test_a_ticket_must_outlive_a_full_queue_at_a_slow_provider(settings: Settings, lifetime: int, warned: bool) -> None:
    # 2,000 deliveries, ten at a time, four seconds each.
    settings.QUEUE_ROOM, settings.TICKET_SIZE = 20, 100
    settings.CONCURRENCY = {"email": 10, "sms": 50}
    settings.TICKET_LIFETIME_SECONDS = lifetime

    said = warnings().get("notifier.W001", "")

    assert bool(said) == warned
    if warned:
        assert "TICKET_LIFETIME_SECONDS=799" in said
        assert "Set TICKET_LIFETIME_SECONDS to 800 or more, or lower QUEUE_ROOM." in said


@pytest.mark.parametrize(("lease", "warned"), [(270, False), (269, True)])
def test_a_lease_must_outlast_all_phases_of_one_mail(settings: Settings, lease: int, warned: bool) -> None:
    settings.EMAIL_TIMEOUT, settings.LEASE_SECONDS = 30, lease

    said = warnings().get("notifier.W002", "")

    assert bool(said) == warned
    if warned:
        assert "LEASE_SECONDS=269 is shorter than one mail may take (270 s with EMAIL_TIMEOUT=30)" in said
        assert "Set LEASE_SECONDS to 270 or more, or lower EMAIL_TIMEOUT." in said


@pytest.mark.parametrize("misprint", ["nonsense", "django.core.mail.backends.smpt.EmailBackend"])
def test_a_mail_backend_that_can_t_be_imported_is_an_error_with_its_cure(settings: Settings, misprint: str) -> None:
    settings.EMAIL_BACKEND = misprint

    (error,) = [message for message in run_checks() if message.id == "notifier.E001"]

    assert misprint in error.msg
    assert "EMAIL_URL" in str(error.hint)
