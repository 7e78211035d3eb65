"""Mails to staff go out beside the dispatcher's cycle."""

import threading
from datetime import datetime
from typing import Any

import pytest
from django.core import mail

from notifier.broadcasts import staff_mails
from notifier.delivery.staff_mail_thread import StaffMailThread
from notifier.models import Broadcast, StaffMail
from notifier.runtime.shutdown import StopFlag
from tests.support.factories import a_broadcast, a_user
from tests.support.servers.processes import wait_until

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db(transaction=True)]


def due_mail(now: datetime) -> StaffMail:
    bob = a_user(username="bob")
    bob.email = "bob@example.com"
    bob.save()
    broadcast = a_broadcast(state=Broadcast.State.AWAITING_APPROVAL, started_at=None)
    return StaffMail.objects.create(broadcast=broadcast, to=bob, what="TO_APPROVE", due_at=now)


def test_what_is_due_goes_out(now: datetime) -> None:
    due_mail(now)
    thread = StaffMailThread(StopFlag())

    thread.start_if_due(now)
    thread.join()

    assert [message.to for message in mail.outbox] == [["bob@example.com"]]


def test_where_nothing_is_due_there_is_no_thread(now: datetime) -> None:
    thread = StaffMailThread(StopFlag())

    thread.start_if_due(now)

    assert thread._thread is None


def test_a_mail_server_that_answers_slowly_holds_nobody_up_and_gets_one_thread(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    due_mail(now)
    begun, answers = threading.Event(), threading.Event()

    def send(*args: Any) -> int:
        begun.set()
        answers.wait()
        return 1

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", send)
    thread = StaffMailThread(StopFlag())

    thread.start_if_due(now)
    wait_until(begun.is_set)
    first = thread._thread
    thread._looked_at = float("-inf")
    thread.start_if_due(now)

    assert thread._thread is first
    answers.set()
    thread.join()
    assert not staff_mails.due(now).exists()


def test_told_to_stop_it_begins_no_other_mail(now: datetime) -> None:
    due_mail(now)
    stop = StopFlag()
    stop.set()
    thread = StaffMailThread(stop)

    thread.start_if_due(now)
    thread.join()

    assert mail.outbox == []
    assert staff_mails.due(now).exists()
