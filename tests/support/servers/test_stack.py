from collections.abc import Callable

import pytest

from tests.support.servers.stack import Stack


def test_the_web_server_answers_and_ends_in_order(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()

    address = stack.serve()

    assert address.startswith("http://127.0.0.1:")
    assert stack.stop_all() == [0]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_rows_are_read_past_the_product(
    make_stack: Callable[..., Stack], engine: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if engine == "postgresql" else ""

    stack = make_stack(database_url=url)

    assert stack.query("SELECT name FROM notifier_topic WHERE slug = %s", "listings") == [("Listings",)]
    assert stack.states() == {}


def test_a_command_that_fails_says_why(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()

    with pytest.raises(AssertionError, match="no_such_command"):
        stack.manage("no_such_command")
    assert stack.manage("no_such_command", check=False).returncode == 1
