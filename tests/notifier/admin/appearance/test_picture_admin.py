from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser
from django.urls import reverse

from notifier.models import Notification, Picture
from notifier.pictures import storing
from tests.support.factories import a_broadcast, a_notification, a_picture, a_picture_file, a_topic

ADD = "admin:notifier_picture_add"


def upload(browser: Browser, *, alt: str = "The new homes", **options: Any) -> Any:
    data = options.pop("data") if "data" in options else a_picture_file(**options).getvalue()
    file = SimpleUploadedFile("homes.png", data)
    return browser.post(reverse(ADD), {"file": file, "alt": alt}, follow=True)


def page_of(picture: Picture) -> str:
    return reverse("admin:notifier_picture_change", args=[picture.pk])


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())


def test_an_upload_leads_to_what_shows_it_in_an_e_mail(admin: Browser) -> None:
    page = upload(admin, size=(2400, 1200), kind="JPEG", alt="  The new homes ")

    picture = Picture.objects.get()
    assert (picture.alt, picture.width, picture.height) == ("The new homes", 1200, 600)
    assert page.redirect_chain == [(page_of(picture), 302)]
    shown = text_of(page)
    assert f"![The new homes]({picture.url})" in shown
    assert "1,200 × 600" in shown
    assert f"{picture.size_bytes:,} bytes ({max(1, round(picture.size_bytes / 1000))} kB)" in shown
    assert f'src="/pictures/{picture.name}" alt="The new homes" width="528" height="264"' in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"alt": " "}, "This field is required"),
        ({"alt": "{{ name }}"}, "A description can’t have a placeholder"),
        ({"alt": "{% now %}"}, "A description can’t have a placeholder"),
        ({"alt": "a" * 201}, "at most 200 characters"),
        ({"data": b"<svg></svg>"}, "Upload a JPEG, PNG or GIF picture"),
        ({"size": (5001, 5000)}, "The picture has too many pixels (5,001 × 5,000)"),
        ({"data": b""}, "The file is empty"),
    ],
)
def test_what_can_t_be_used_is_said_beside_its_field(admin: Browser, options: dict[str, Any], said: str) -> None:
    page = upload(admin, **options)

    assert said in text_of(page)
    assert not Picture.objects.exists()


def test_a_storage_that_is_away_is_said_and_nothing_is_kept(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError

    monkeypatch.setattr(type(storages["pictures"]), "_save", fail)

    assert "Nothing was saved. Pictures can’t be stored at the moment." in text_of(upload(admin))
    assert not Picture.objects.exists()


def test_the_list_shows_small_ones(admin: Browser) -> None:
    picture = a_picture(size=(640, 480))

    page = text_of(admin.get(reverse("admin:notifier_picture_changelist")))

    assert f'<img class="thumbnail" src="/pictures/small-{picture.name}" alt="" loading="lazy">' in page
    assert "640 × 480" in page


def test_its_page_says_where_it_is_used(admin: Browser) -> None:
    picture = a_picture()
    assert "nothing yet" in text_of(admin.get(page_of(picture)))
    notification = a_notification(subject="Homes", email_body=picture.markdown)
    broadcast = a_broadcast(notification=notification)

    page = text_of(admin.get(page_of(picture)))

    assert f'<a href="{reverse("admin:notifier_notification_change", args=[notification.pk])}">Homes</a>' in page
    assert f'<a href="{reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])}">Broadcast #' in page


@pytest.mark.django_db(transaction=True)
def test_what_nothing_uses_can_be_deleted_with_its_file(admin: Browser) -> None:
    picture = a_picture()
    url = reverse("admin:notifier_picture_delete", args=[picture.pk])

    admin.post(url, {"post": "yes", "seen": admin.get(url).context["seen"]})

    assert not Picture.objects.exists()
    with pytest.raises(FileNotFoundError):
        storing.read(picture.name)


def test_what_was_sent_is_kept_and_the_page_says_where_it_is(admin: Browser) -> None:
    picture = a_picture(alt="The homes")
    broadcast = a_broadcast(notification=a_notification(subject="News", email_body=picture.markdown))
    Notification.objects.update(email_body="without")

    page = admin.post(reverse("admin:notifier_picture_delete", args=[picture.pk]), {"post": "yes"}, follow=True)

    assert f"“The homes” can’t be deleted, because it is used in broadcast #{broadcast.pk} News." in text_of(page)
    assert Picture.objects.exists()
    assert storing.read(picture.name)


def test_a_notification_shows_only_pictures_that_are_there(admin: Browser) -> None:
    picture = a_picture()
    body = f"Look {picture.markdown}"
    text = {"topic": a_topic().pk, "subject": "Homes", "email_body": body, "sms_body": ""}
    gone = text | {"email_body": body.replace("40x30", "41x30")}

    refused = admin.post(reverse("admin:notifier_notification_add"), gone)
    assert "Copy its Markdown from Pictures again." in text_of(refused)
    checked = admin.post(reverse("admin:notifier_notification_check"), gone)
    assert "E-mail: There is no picture" in text_of(checked)
    assert not Notification.objects.exists()

    assert admin.post(reverse("admin:notifier_notification_add"), text).status_code == 302
    assert Notification.objects.exists()


def test_a_preview_loads_pictures_from_the_address_that_staff_have_open(admin: Browser, settings: Any) -> None:
    settings.PUBLIC_URL = "https://news.example.com"
    picture = a_picture()
    notification = a_notification(email_body=picture.markdown)

    for name, args, query in (
        ("email_preview", [notification.pk], {}),
        ("preview", [], {"notification": notification.pk}),
    ):
        page = admin.get(reverse(f"admin:notifier_notification_{name}", args=args), query)

        assert f"/pictures/{picture.name}" in page.content.decode()
        assert "https://news.example.com/pictures/" not in page.content.decode().partition("<details")[0]
        assert "img-src 'self'" in page["Content-Security-Policy"]
