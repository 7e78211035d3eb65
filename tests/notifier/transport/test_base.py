import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.models import Channel
from notifier.transport.base import MAX_BODY_BYTES, BadTicket, DeadLetter, Ticket, decode, encode
from tests.notifier.transport.carriers import BAD_BODIES

ids = st.integers(min_value=1, max_value=2**63 - 1)
tickets = st.builds(
    Ticket,
    broadcast=ids,
    channel=st.sampled_from(Channel),
    deliveries=st.lists(ids, min_size=1, max_size=100).map(tuple),
)


@given(ticket=tickets)
def test_what_is_encoded_is_decoded_as_it_was(ticket: Ticket) -> None:
    body = encode(ticket)

    assert decode(body, channel=ticket.channel) == ticket
    assert len(body) < MAX_BODY_BYTES / 4


def test_the_body_is_the_documented_json() -> None:
    body = encode(Ticket(broadcast=7, channel=Channel.EMAIL, deliveries=(101, 102)))

    assert json.loads(body) == {"v": 1, "broadcast": 7, "channel": "email", "deliveries": [101, 102]}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_what_is_no_ticket_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(BadTicket) as caught:
        decode(body, channel=Channel.EMAIL)

    assert str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@given(body=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_a_ticket_or_refused(body: bytes) -> None:
    with suppress(BadTicket):
        assert isinstance(decode(body, channel=Channel.EMAIL), Ticket)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(field=st.sampled_from(["v", "broadcast", "channel", "deliveries", "extra"]), value=json_values)
def test_any_value_in_any_field_is_a_ticket_or_refused(field: str, value: object) -> None:
    fields = {"v": 1, "broadcast": 7, "channel": "email", "deliveries": [101], field: value}

    try:
        ticket = decode(json.dumps(fields).encode(), channel=Channel.EMAIL)
    except BadTicket:
        return

    # Numbers like 7.0 are taken for what they are.
    assert json.loads(encode(ticket)) == fields
    assert field != "extra"


@pytest.mark.parametrize(
    "body",
    [
        b'{"v":1,"broadcast":7,"channel":"ann@example.com","deliveries":[1]}',
        b'{"v":1,"broadcast":7,"channel":"email","deliveries":[1],"ann@example.com":1}',
        b'{"v":1,"broadcast":7,"channel":"email","deliveries":[1],"ann@example.com\\u0060\\nroot":1}',
    ],
)
def test_the_refusal_quotes_nothing_of_the_body(body: bytes) -> None:
    with pytest.raises(BadTicket) as caught:
        decode(body, channel=Channel.EMAIL)

    assert "ann" not in str(caught.value)
    assert "root" not in str(caught.value)


def test_the_longest_body_that_is_read_is_the_limit() -> None:
    body = encode(Ticket(broadcast=7, channel=Channel.EMAIL, deliveries=(1,)))

    assert decode(body.ljust(MAX_BODY_BYTES), channel=Channel.EMAIL)
    with pytest.raises(BadTicket, match="longer than 16384"):
        decode(body.ljust(MAX_BODY_BYTES + 1), channel=Channel.EMAIL)


# --- Dead letters -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_dead_letter_says_what_is_wrong_with_it_in_one_line(body: bytes) -> None:
    letter = DeadLetter(body, Channel.EMAIL)

    with pytest.raises(BadTicket) as caught:
        decode(body, channel=Channel.EMAIL)
    assert letter.reason == str(caught.value)


def test_a_dead_letter_of_a_later_version_or_another_channel_still_says_what_it_was_about() -> None:
    later, other = BAD_BODIES["a later version"], BAD_BODIES["another channel"]

    for body in (later, other):
        ticket = DeadLetter(body, Channel.EMAIL).ticket
        assert ticket
        assert ticket.broadcast == 7
    assert DeadLetter(BAD_BODIES["not JSON"], Channel.EMAIL).ticket is None
    assert DeadLetter(BAD_BODIES["oversize"], Channel.EMAIL).ticket is None


def test_a_dead_letter_of_nobody_s_queue_is_judged_as_what_it_says_it_is() -> None:
    sms = Ticket(broadcast=7, channel=Channel.SMS, deliveries=(101,))

    assert DeadLetter(encode(sms), None).reason == "it can be read, and a consumer rejected it"
    assert "malformed" in DeadLetter(b"hello", None).reason
