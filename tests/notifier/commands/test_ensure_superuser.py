from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


def ensure(monkeypatch: pytest.MonkeyPatch, **values: str) -> str:
    for part in ("USERNAME", "PASSWORD", "EMAIL"):
        monkeypatch.delenv(f"DJANGO_SUPERUSER_{part}", raising=False)
    for part, value in values.items():
        monkeypatch.setenv(f"DJANGO_SUPERUSER_{part}", value)
    output = StringIO()
    call_command("ensure_superuser", stdout=output)
    return output.getvalue().strip()


def test_the_first_user_can_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ensure(monkeypatch, USERNAME="boss", PASSWORD="secret-1", EMAIL="b@example.com") == "Created the user boss."

    user = User.objects.get()
    assert user.is_superuser
    assert user.is_staff
    assert user.check_password("secret-1")


def test_a_second_start_leaves_the_user_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure(monkeypatch, USERNAME="boss", PASSWORD="secret-1")

    said = ensure(monkeypatch, USERNAME="boss", PASSWORD="secret-2")

    assert "already exists" in said
    assert User.objects.get().check_password("secret-1")


def test_the_password_that_everybody_can_read_is_for_a_trial_alone(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://news.example.com"
    with pytest.raises(CommandError, match="published in docker-compose"):
        ensure(monkeypatch, USERNAME="admin", PASSWORD="admin")
    assert not User.objects.exists()

    settings.PUBLIC_URL = "http://localhost:8000"
    assert ensure(monkeypatch, USERNAME="admin", PASSWORD="admin") == "Created the user admin."


@pytest.mark.parametrize("values", [{}, {"USERNAME": "boss"}, {"PASSWORD": "secret-1"}])
def test_without_name_or_password_it_says_what_to_set(values: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="DJANGO_SUPERUSER_USERNAME and DJANGO_SUPERUSER_PASSWORD"):
        ensure(monkeypatch, **values)

    assert not User.objects.exists()
