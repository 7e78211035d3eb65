from datetime import date

import pytest

from notifier.values.base import CELL, FieldKind, Reading
from notifier.values.kinds import type_of

DAY = type_of(kind=FieldKind.DATE)


@pytest.mark.parametrize(
    "text",
    [
        "2026-04-03",
        "2026/4/3",
        "20260403",
        "2026-04-03T00:00:00",
        "2026-04-03 14:30",
        "03.04.2026",
        "3. 4. 2026",
        "3 April 2026",
        "3 Apr 2026",
        "3rd April, 2026",
        "April 3, 2026",
        "Apr 3rd 2026",
        "03-Apr-2026",
    ],
)
def test_a_date_is_read_in_each_way_that_can_mean_no_other(text: str) -> None:
    assert DAY.read(text, CELL) == date(2026, 4, 3)


def test_a_date_that_means_another_elsewhere_is_refused_with_both() -> None:
    with pytest.raises(ValueError, match=r"3 April or as 4 March\. Write 2026-04-03 or 2026-03-04") as refusal:
        DAY.read("03/04/2026", CELL)
    assert "“03/04/2026”" in str(refusal.value)

    assert DAY.read("03/04/2026", Reading(day_first=True)) == date(2026, 4, 3)
    assert DAY.read("03/04/2026", Reading(day_first=False)) == date(2026, 3, 4)
    assert DAY.read("31/12/2026", CELL) == DAY.read("12/31/2026", CELL) == date(2026, 12, 31)
    assert DAY.read("4/4/2026", CELL) == date(2026, 4, 4)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30",
        "31/12/26",
        "45992",
        "0999-12-31",
        "13/13/2026",
        "00/00/0000",
        "3 Juni 2026",
        "2026-04-03T23:30:00Z",
        "2026-04-03T23:30:00+02:00",
        "2026-04",
        "yesterday",
        "٣/٤/٢٠٢٦",
        "1" * 50,
    ],
)
@pytest.mark.parametrize("reading", [CELL, Reading(day_first=True), Reading(day_first=False)])
def test_what_is_no_day_is_refused(text: str, reading: Reading) -> None:
    with pytest.raises(ValueError, match="date"):
        DAY.read(text, reading)


def test_dates_are_shown_with_the_month_in_letters() -> None:
    assert DAY.show(date(2026, 4, 3)) == "3 Apr 2026"
