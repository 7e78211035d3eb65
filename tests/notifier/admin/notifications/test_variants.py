"""A notification is written in several languages on one page, and whoever sends or approves it sees them all."""

import re
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.admin.notifications import forms
from notifier.broadcasts import acts, approvals, lifecycle
from notifier.messages import variants
from notifier.messages.variants import Texts
from notifier.models import Broadcast, Notification, UnsavedText
from notifier.notifications import duplicates
from notifier.pictures import usage
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_picture

pytestmark = pytest.mark.both_engines(only_full=True)

GERMAN = Texts("Hallo", "", "Guten Tag", "Hallo!")


def text_of(page: Any) -> str:
    """What stands on it, without its tags."""
    html = page.content.decode().replace("&#x27;", "'")
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def page_of(notification: Notification) -> str:
    return reverse("admin:notifier_notification_change", args=[notification.pk])


def filled_in(page: Any, **changes: str) -> dict[str, str]:
    form = page.context["adminform"].form
    return {name: str(form[name].value() or "") for name in form.fields} | changes


def others_of(notification: Notification) -> dict[str, Texts]:
    return dict(Notification.objects.get(pk=notification.pk).other_texts)


def completeness(page: Any) -> dict[str, str]:
    form = page.context["adminform"].form
    return {one.completeness.name: one.completeness.words for one in form.variants}


# --- Writing ----------------------------------------------------------------------------------------------------------
def test_what_is_written_in_another_language_is_saved_and_shown_with_what_is_missing(admin: Browser) -> None:
    n = a_notification()
    page = admin.get(page_of(n))
    assert completeness(page) == {"German": "not written", "French": "not written", "Spanish": "not written"}

    sent = {"de_subject": " Hallo ", "de_email_body": "Guten Tag\r\n{{ name }}", "fr_sms_body": "Salut"}
    admin.post(page_of(n), filled_in(page, **sent))

    assert others_of(n) == {
        "de": Texts("Hallo", "", "Guten Tag\n{{ name }}"),
        "fr": Texts(sms_body="Salut"),
    }
    again = admin.get(page_of(n))
    assert completeness(again) == {
        "German": "SMS missing",
        "French": "subject and e-mail text missing",
        "Spanish": "not written",
    }
    assert "Guten Tag" in again.content.decode()
    assert n.history.latest("history_id").variants != ""


def test_the_history_names_each_part_that_was_changed(admin: Browser) -> None:
    n = a_notification(de=GERMAN)
    admin.post(page_of(n), filled_in(admin.get(page_of(n)), de_subject="Servus", fr_sms_body="Salut"))

    said = text_of(admin.get(reverse("admin:notifier_notification_history", args=[n.pk])))

    assert "Subject (German) Hallo Servus" in said
    assert "SMS text (French) (empty) Salut" in said


def test_a_save_that_changes_nothing_makes_no_version(admin: Browser) -> None:
    n = a_notification(de=GERMAN)
    before = n.history.count()

    admin.post(page_of(n), filled_in(admin.get(page_of(n))))

    assert Notification.objects.get().updated_at == n.updated_at
    assert n.history.count() == before


def test_what_is_wrong_in_a_language_is_said_at_its_field_and_nothing_is_lost(admin: Browser) -> None:
    n = a_notification(de=GERMAN)

    answer = admin.post(page_of(n), filled_in(admin.get(page_of(n)), de_sms_body="Hallo {{ nmae }}"))

    assert "no placeholder {{ nmae }}" in " ".join(answer.context["adminform"].form.errors["de_sms_body"])
    assert "Hallo {{ nmae }}" in answer.content.decode()
    assert others_of(n) == {"de": GERMAN}


def test_a_text_that_would_never_be_sent_is_refused(admin: Browser) -> None:
    n = a_notification(sms_body="")

    answer = admin.post(page_of(n), filled_in(admin.get(page_of(n)), de_sms_body="Hallo"))

    assert "There is no English SMS text" in " ".join(answer.context["adminform"].form.errors["de_sms_body"])


def test_what_somebody_else_wrote_in_the_same_language_meanwhile_is_not_overwritten(admin: Browser) -> None:
    n = a_notification(de=GERMAN)
    page = admin.get(page_of(n))
    theirs = variants.write({"de": Texts("Servus", "", "Guten Tag", "Hallo!"), "fr": Texts("Bonjour")})
    Notification.objects.update(variants=theirs)

    answer = admin.post(page_of(n), filled_in(page, de_subject="Moin"))

    said = text_of(answer)
    assert "Someone else has changed this to “Servus”." in said
    assert "subject (German)" in said
    assert others_of(n)["de"].subject == "Servus"
    # What was left alone takes the new value.
    admin.post(page_of(n), filled_in(answer))
    assert others_of(n) == {"de": Texts("Moin", "", "Guten Tag", "Hallo!"), "fr": Texts("Bonjour")}


def test_a_language_that_is_no_longer_offered_keeps_its_texts(admin: Browser, settings: Any) -> None:
    n = a_notification(de=GERMAN)
    settings.CLIENT_LANGUAGES = ("en", "fr")

    admin.post(page_of(n), filled_in(admin.get(page_of(n)), fr_subject="Bonjour"))

    assert others_of(n) == {"de": GERMAN, "fr": Texts("Bonjour")}


def test_with_one_language_the_page_speaks_of_none(admin: Browser, settings: Any) -> None:
    settings.CLIENT_LANGUAGES = ("en",)

    html = admin.get(page_of(a_notification())).content.decode()

    assert "Other languages" not in html
    assert "shown_language" not in html


# --- Looking ----------------------------------------------------------------------------------------------------------
def preview(admin: Browser, **posted: str) -> str:
    return text_of(admin.post(reverse("admin:notifier_notification_preview"), posted))


def test_the_preview_and_its_counter_are_in_the_language_that_is_chosen(admin: Browser) -> None:
    written = {"subject": "Hello", "sms_body": "Hi", "email_body": "Dear", "de_sms_body": "я" * 71}

    english, german = preview(admin, **written), preview(admin, **written, shown_language="de")

    assert "2 of 160 characters" in english
    assert "71 of 134 characters" in german
    assert "In German: e-mail not complete, so the English text is sent." in german


def test_a_client_who_is_looked_for_reads_in_their_own_language(admin: Browser) -> None:
    a_client(name="Berta Beispiel", language="de")
    written = {"subject": "Hello", "sms_body": "Hi", "de_sms_body": "Servus"}

    assert "Servus" in preview(admin, **written, reader="Berta")
    assert "Servus" not in preview(admin, **written, reader="Berta", shown_language="en")


def test_the_page_that_asks_shows_every_language_and_warns_of_what_is_missing(admin: Browser) -> None:
    a_client(listings="both", language="de")
    n = a_notification(de=GERMAN, fr=Texts("Bonjour", "", "Cher"))

    page = admin.get(reverse("admin:notifier_notification_broadcast"), {"ids": n.pk})

    said = text_of(page)
    assert "French: SMS missing. Clients who read French get the English SMS instead." in said
    assert [one.name for one in page.context["offers"][0].variants] == ["German", "French"]
    url = reverse("admin:notifier_notification_email_preview", args=[n.pk])
    assert f"{url}?language=de" in page.content.decode()
    mail = admin.get(url, {"language": "de"}).content.decode()
    assert "Guten Tag" in mail
    assert "Abmelden" in mail


# --- Sending ----------------------------------------------------------------------------------------------------------
def test_an_edit_in_another_language_is_given_to_what_awaits_approval_and_approved_anew(admin: Browser) -> None:
    n = a_notification(de=GERMAN)
    broadcast = a_broadcast(notification=n, state="AWAITING_APPROVAL", needs_approval=True, text_of=n.updated_at)
    shown = acts.version(broadcast)

    admin.post(page_of(n), filled_in(admin.get(page_of(n)), de_subject="Servus"))

    broadcast.refresh_from_db()
    assert broadcast.other_texts["de"].subject == "Servus"
    assert acts.version(broadcast) != shown
    # Whoever wrote it can't approve it.
    assert broadcast.text_by is not None
    assert approvals.has_changed(broadcast=broadcast, user=broadcast.text_by)


def test_what_was_sent_is_told_in_the_language_that_it_was_sent_in(admin: Browser) -> None:
    broadcast = a_broadcast(notification=a_notification(de=GERMAN), state="FINISHED")
    client = a_client(name="Ann", listings="both", language="fr")
    sent: dict[str, Any] = {"broadcast": broadcast, "client": client, "state": "SENT", "attempts": 1}
    german = a_delivery(**sent, language="de")
    french = a_delivery(**sent, language="fr", channel="sms")

    progress = admin.get(reverse("admin:notifier_broadcast_progress", args=[broadcast.pk]))
    pages = [admin.get(reverse("admin:notifier_delivery_change", args=[one.pk])) for one in (german, french)]

    # The client reads French today, and the mail was German.
    assert "Guten Tag" in progress.content.decode()
    assert "Language: German" in text_of(pages[0])
    assert "Language: French, with the English text" in text_of(pages[1])


def test_a_follow_up_and_a_copy_have_every_language() -> None:
    n = a_notification(de=GERMAN)
    broadcast = a_broadcast(notification=n)
    Notification.objects.update(variants="")

    follow_up = lifecycle.frozen_columns(broadcast)
    copy = duplicates.duplicate(notification=n)

    assert follow_up["variants"] == broadcast.variants != ""
    assert copy.variants == n.variants


def test_one_that_was_edited_in_another_language_is_another_text() -> None:
    n = a_notification(de=GERMAN)
    broadcast = a_broadcast(notification=n)
    assert not broadcast.is_outdated

    Notification.objects.update(variants="")

    assert Broadcast.objects.select_related("notification").get().is_outdated


# --- Not saved --------------------------------------------------------------------------------------------------------
def test_what_is_typed_in_another_language_is_kept_and_offered_again(admin: Browser) -> None:
    n = a_notification(de=GERMAN)
    typed = filled_in(admin.get(page_of(n)), de_subject="Halb") | {"notification": str(n.pk)}

    admin.post(reverse("admin:notifier_notification_keep"), typed)

    assert variants.read(UnsavedText.objects.get().variants)["de"].subject == "Halb"
    restored = admin.get(page_of(n), {"unsaved": "restore"})
    assert restored.context["adminform"].form["de_subject"].value() == "Halb"
    admin.post(reverse("admin:notifier_notification_keep"), typed | {"de_subject": "Hallo"})
    assert not UnsavedText.objects.exists()


def test_what_is_too_long_in_one_language_is_not_kept(admin: Browser) -> None:
    n = a_notification()
    typed = filled_in(admin.get(page_of(n)), de_email_body="x" * 105_001) | {"notification": str(n.pk)}

    answer = admin.post(reverse("admin:notifier_notification_keep"), typed)

    assert "too long to be kept" in text_of(answer)
    assert not UnsavedText.objects.exists()


def test_a_picture_of_another_language_is_in_use(admin: Browser) -> None:
    picture = a_picture()
    n = a_notification(de=Texts("Hallo", "", f"![]({picture.name})", ""))

    assert usage.uses_of(picture).notifications == [n]


def test_the_fields_are_named_after_their_language() -> None:
    assert forms.fields_of({"de": GERMAN})["de_subject"] == "Hallo"
    assert len(forms.fields_of({})) == 12
