"""What is said about the time: no more than what will happen."""

from datetime import UTC, datetime, timedelta

from notifier.admin.broadcasts import sending_time
from notifier.admin.broadcasts.sending_time import SendingTime
from notifier.audience.estimates import Duration
from notifier.models import Channel

EMAIL, SMS = Channel.EMAIL, Channel.SMS
EIGHT = datetime(2026, 11, 25, 8, tzinfo=UTC)


def a_duration(**fields: object) -> Duration:
    values = {"time": timedelta(seconds=22), "rates": {EMAIL: 10.0}, "unknown": [], "at_once": 220}
    return Duration(**values | fields)  # type: ignore[arg-type]


def told(duration: Duration, *, total: int = 220, is_stopped: bool = False, is_now: bool = True) -> SendingTime:
    return sending_time.told(duration, total=total, is_stopped=is_stopped, is_now=is_now)


def test_where_nobody_waits_it_is_how_long_it_takes() -> None:
    assert told(a_duration(limited=[EMAIL], unknown=[SMS])) == SendingTime(
        "About 22 seconds",
        "at the current speed: 10 e-mails per second; e-mails are limited to this speed; "
        "the speed of SMS is not known yet",
    )


def test_one_a_second_is_one_e_mail() -> None:
    assert told(a_duration(rates={EMAIL: 1.0, SMS: 0.5})).detail == "at the current speed: 1 e-mail, 0.5 SMS per second"


def test_before_the_first_broadcast_nothing_is_known() -> None:
    assert told(a_duration(time=None, rates={})) == SendingTime("Not known yet", "available after your first broadcast")


def test_of_what_is_stopped_no_time_is_promised() -> None:
    waits = {"waiting": 220, "at_once": 0, "first": EIGHT, "last": EIGHT, "done": EIGHT}

    assert told(a_duration(), is_stopped=True) == SendingTime("Not known", "while sending is stopped")
    assert told(a_duration(**waits), is_stopped=True).headline == "Not known"


def test_where_all_wait_it_is_when_the_first_and_the_last_go_out() -> None:
    done = EIGHT + timedelta(seconds=22)

    found = told(a_duration(at_once=0, waiting=220, first=EIGHT, last=EIGHT, done=done))

    assert found == SendingTime(
        "Starts 25 Nov 2026, 08:00 UTC",
        "all clients are in quiet hours until then. The last message goes out at about 25 Nov 2026, 08:01 UTC",
    )


def test_where_some_wait_it_is_until_when() -> None:
    waits = a_duration(at_once=219, waiting=1, first=EIGHT, last=EIGHT, done=EIGHT)

    assert told(waits) == SendingTime(
        "Until about 25 Nov 2026, 08:00 UTC",
        "219 go out now; 1 waits for quiet hours to end, the first until 25 Nov 2026, 08:00 UTC",
    )
    assert "219 go out at the start" in told(waits, is_now=False).detail


def test_of_nothing_there_is_no_time() -> None:
    assert told(a_duration(), total=0, is_stopped=True) == SendingTime("–")


def test_for_a_time_to_be_chosen_it_says_what_quiet_hours_do() -> None:
    duration = a_duration(at_once=0, waiting=220, first=EIGHT, last=EIGHT, done=EIGHT)

    found = sending_time.told_for_later(duration, some_may_wait=True)

    assert found.headline == "About 22 seconds"
    assert "in quiet hours at that time get it when these end" in found.detail
    assert "quiet hours" not in sending_time.told_for_later(duration, some_may_wait=False).detail
