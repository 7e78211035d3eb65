import pytest

from tests.support.checks.markup import faults

PAGE = '<!DOCTYPE html><html lang="en"><head><title>A page</title></head><body>{}</body></html>'


@pytest.mark.parametrize(
    "good",
    [
        '<p id="a">Text</p>',
        '<label for="a">Name</label><input id="a">',
        "<dialog><svg><path /></svg></dialog>",
        '<time datetime="2026-11-24T16:00:07+00:00">Now</time>',
    ],
)
def test_what_is_as_it_should_be_has_no_faults(good: str) -> None:
    assert faults(PAGE.format(good)) == []
    assert faults(good, is_fragment=True) == []


@pytest.mark.parametrize(
    "bad",
    [
        "<p><div>Text</div></p>",
        "<div><span>Text</div>",
        "<b><i>Text</b></i>",
        "<table><tr><td>1</td></tr><p>Text</p></table>",
        "<a href='x' href='y'>Text</a>",
        "<ul><li>Text</ul></li>",
        "<p>a &copy b</p>",
        "<div/>",
        '<time datetime="2026-11-24T16:00:07.123456+00:00">Now</time>',
    ],
)
def test_what_a_browser_would_have_to_guess_is_a_fault(bad: str) -> None:
    assert faults(PAGE.format(bad))
    assert faults(bad, is_fragment=True)


def test_an_id_is_there_once_and_what_is_named_is_there() -> None:
    twice, dangling = '<p id="a"></p><p id="a"></p>', '<p aria-describedby="a b" id="a"></p>'

    assert faults(PAGE.format(twice)) == faults(twice, is_fragment=True) == ["2 elements have the id “a”"]
    assert faults(PAGE.format(dangling)) == ["aria-describedby of <p> names “b”, which is not there"]
    assert faults(dangling, is_fragment=True) == []
