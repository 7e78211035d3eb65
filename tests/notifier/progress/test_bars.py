"""What was sent of what was to be sent, as a bar by outcome."""

import pytest

from notifier.progress.bars import MIN_WIDTH, WIDTH, Bar


def test_one_that_was_cancelled_early_does_not_look_full() -> None:
    bar = Bar({"SENT": 40, "CANCELLED": 444})

    assert (bar.sent, bar.to_send, round(bar.share, 2)) == (40, 484, 0.08)
    assert [(piece.state, piece.x, piece.width) for piece in bar.pieces] == [("SENT", 0, 82)]


def test_so_far_is_said_only_while_more_may_come() -> None:
    assert Bar({"SENT": 40, "PENDING": 20}, 0.5).words == "40 sent so far"
    assert Bar({"SENT": 40, "CANCELLED": 20}, 0.5, is_final=True).words == "40 of 60 sent"
    assert Bar({"SENT": 40, "PENDING": 20}).words == "40 of 60 sent"


def test_skips_are_no_progress_and_are_not_to_be_sent() -> None:
    assert (Bar({"SKIPPED": 63, "PENDING": 37}).share, Bar({"SKIPPED": 63, "PENDING": 37}).pieces) == (0.0, [])
    assert Bar({"SENT": 37, "SKIPPED": 63}).share == 1.0


def test_each_outcome_has_a_piece_of_its_own_side_by_side() -> None:
    bar = Bar({"SENT": 500, "UNKNOWN": 100, "FAILED": 200, "PENDING": 200})

    assert [(piece.state, piece.x, piece.width) for piece in bar.pieces] == [
        ("SENT", 0, 500),
        ("UNKNOWN", 500, 100),
        ("FAILED", 600, 200),
    ]
    assert bar.words == "500 of 1,000 sent, 100 unknown, 200 failed"
    assert bar.problems == 300


@pytest.mark.parametrize("counts", [{"SENT": 99_997, "FAILED": 3}, {"SENT": 1, "UNKNOWN": 1, "FAILED": 99_998}])
def test_the_smallest_piece_is_seen_and_the_bar_ends_where_it_ends(counts: dict[str, int]) -> None:
    pieces = Bar(counts).pieces

    assert min(piece.width for piece in pieces) >= MIN_WIDTH
    assert pieces[-1].x + pieces[-1].width == WIDTH


def test_of_nothing_there_is_no_share() -> None:
    assert (Bar({}).share, Bar({}).pieces, Bar({}).words) == (0.0, [], "0 of 0 sent")
