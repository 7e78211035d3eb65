import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.template import Context, Template
from django.utils import timezone as django_timezone

from notifier.wording import wall_clocks

LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T16:00", datetime(2026, 11, 24, 16, tzinfo=UTC)),
        ("2026-07-24T16:00", datetime(2026, 7, 24, 15, tzinfo=UTC)),
        ("2026-11-24T16:00+02:00", datetime(2026, 11, 24, 14, tzinfo=UTC)),
        ("2026-10-25T01:30+01:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T01:30+00:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-03-29T00:59", datetime(2026, 3, 29, 0, 59, tzinfo=UTC)),
        ("2026-03-29T02:00", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("2026-10-25T02:00", datetime(2026, 10, 25, 2, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_the_clock_on_the_wall_shows_it(text: str, moment: datetime) -> None:
    with django_timezone.override(LONDON):
        assert wall_clocks.read(text) == moment


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-03-29T01:00", "because the clocks change"),
        ("2026-03-29T01:30", "because the clocks change"),
        ("2026-10-25T01:00", "occurs twice"),
        ("2026-10-25T01:59", "2026-10-25T01:59+01:00 or 2026-10-25T01:59+00:00"),
        ("tomorrow", "not a date and time"),
        ("", "not a date and time"),
        ("9999-12-31T23:59", "write a year from 1900 to 2999"),
        ("9999-12-31T23:59-12:00", "write a year from 1900 to 2999"),
        ("0001-01-01T00:00+14:00", "write a year from 1900 to 2999"),
    ],
)
def test_what_the_clock_never_shows_or_shows_twice_is_refused(text: str, said: str) -> None:
    with django_timezone.override(LONDON), pytest.raises(ValueError, match="“") as refused:
        wall_clocks.read(text)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 Oct 2026, 01:30 BST"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 Oct 2026, 01:30 GMT"),
        (datetime(2026, 10, 25, 2, 30, tzinfo=UTC), "25 Oct 2026, 02:30"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "29 Mar 2026, 02:00"),
        (datetime(2026, 7, 1, 12, 0, tzinfo=timezone(timedelta(hours=5))), "1 Jul 2026, 08:00"),
    ],
)
def test_a_time_that_comes_twice_is_shown_with_its_zone_on_pages_too(moment: datetime, shown: str) -> None:
    page = Template("{% load backoffice %}{{ moment|moment }}")

    with django_timezone.override(LONDON):
        assert wall_clocks.shown(moment) == shown
        assert page.render(Context({"moment": moment})) == shown


def test_so_is_one_to_the_second() -> None:
    page = Template("{% load backoffice %}{{ moment|moment_to_the_second }}")

    with django_timezone.override(LONDON):
        twice = Context({"moment": datetime(2026, 10, 25, 1, 30, 7, tzinfo=UTC)})
        assert page.render(twice) == "25 Oct 2026, 01:30:07 GMT"
        assert page.render(Context({"moment": datetime(2026, 7, 1, 3, tzinfo=UTC)})) == "1 Jul 2026, 04:00:00"


@pytest.mark.parametrize("name", ["moment", "moment_to_the_second"])
def test_no_time_is_nothing(name: str) -> None:
    assert Template(f"{{% load backoffice %}}{{{{ no|{name} }}}}").render(Context({"no": None})) == ""


def test_a_time_of_day_has_its_zone() -> None:
    now = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)

    with django_timezone.override(LONDON):
        assert wall_clocks.shown_time(now, now) == "13:00 BST"
        assert wall_clocks.shown_time(now, now, shape="H:i:s") == "13:00:00 BST"
        assert wall_clocks.shown_time(now - timedelta(days=200), now) == "13 Dec 2025, 12:00 GMT"


def test_how_a_time_is_written_names_the_zone_in_which_it_is_read() -> None:
    with django_timezone.override(LONDON), pytest.raises(ValueError, match=re.escape("T16:00 (Europe/London) or")):
        wall_clocks.read("tomorrow")


def test_no_template_writes_a_date_and_time_that_may_be_two_moments() -> None:
    templates = Path(settings.BASE_DIR, "templates").rglob("*.html")

    assert [path.name for path in templates if re.search(r'\|date:"j M( Y)?, H', path.read_text())] == []
