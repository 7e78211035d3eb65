import pytest
from pytest_django import Settings

from consumers.backends.base import ChannelDown
from consumers.backends.django_mail import DjangoMailBackend
from consumers.backends.email import get_backend
from consumers.backends.smtp import SmtpBackend
from tests.consumers.backends.mails import MESSAGE
from tests.support.fakes.smtp import FakeSmtp


@pytest.mark.parametrize(
    "change",
    [
        {"EMAIL_HOST": "mail..example.com"},
        {"EMAIL_HOST": "no-such-host.invalid"},
        {"DEFAULT_FROM_EMAIL": "jörg@example.org"},
        {"DEFAULT_FROM_EMAIL": "news@example..org"},
    ],
    ids=str,
)
def test_settings_that_can_not_work_are_the_channels_trouble(
    server: FakeSmtp, settings: Settings, change: dict[str, str]
) -> None:
    for name, value in change.items():
        setattr(settings, name, value)

    with pytest.raises(ChannelDown):
        get_backend().send(MESSAGE)

    assert server.accepted() == []


def test_the_setting_chooses_the_backend(settings: Settings) -> None:
    settings.EMAIL_BACKEND = settings.SMTP_BACKEND
    assert isinstance(get_backend(), SmtpBackend)

    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert isinstance(get_backend(), DjangoMailBackend)
