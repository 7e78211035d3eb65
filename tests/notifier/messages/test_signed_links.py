"""Signed links: every one that we made is read, and nothing else is."""

import string

import pytest
from django.core.signing import Signer
from django.test import override_settings
from hypothesis import assume, given
from hypothesis import strategies as st

from notifier.messages import signed_links
from notifier.messages.signed_links import BadLink, Link

IDS = st.integers(min_value=0, max_value=2**63 - 1)
LINKS = st.builds(Link, client_id=IDS, topic_id=IDS, broadcast_id=IDS)
LINK = Link(client_id=7, topic_id=1, broadcast_id=42)


@given(LINKS)
def test_a_token_says_whose_it_is(link: Link) -> None:
    token = signed_links.token(link)

    assert signed_links.read_token(token) == link
    assert set(token) <= set(string.ascii_letters + string.digits + "-_:")


@given(link=LINKS, data=st.data())
def test_a_token_that_was_changed_anywhere_is_none(link: Link, data: st.DataObject) -> None:
    token = signed_links.token(link)
    place = data.draw(st.integers(min_value=0, max_value=len(token) - 1))
    other = data.draw(st.characters(exclude_characters=token[place]))
    changed = token[:place] + other + token[place + 1 :]

    # The last digit of a base64 text has bits that mean nothing; ours compares the text itself.
    with pytest.raises(BadLink):
        signed_links.read_token(changed)


@given(st.text())
def test_no_text_of_somebody_elses_is_a_token(text: str) -> None:
    assume(text)
    with pytest.raises(BadLink):
        signed_links.read_token(text)


@pytest.mark.parametrize("payload", ["2-7-1-42", "1-7-1", "1-7-1-42-9", "1--7-1-42", "1-٧-1-42", ""])
def test_what_is_signed_and_of_no_version_that_we_know_is_none(payload: str) -> None:
    with pytest.raises(BadLink):
        signed_links.read_token(Signer(salt="notifier.links").sign(payload))


def test_what_was_signed_for_something_else_is_none() -> None:
    with pytest.raises(BadLink):
        signed_links.read_token(Signer(salt="another").sign("1-7-1-42"))


def test_a_link_outlives_the_key_that_signed_it_as_long_as_that_is_a_fallback() -> None:
    with override_settings(SECRET_KEY="the old one"):
        token = signed_links.token(LINK)
    with override_settings(SECRET_KEY="the new one", SECRET_KEY_FALLBACKS=["the old one"]):
        assert signed_links.read_token(token) == LINK
        assert signed_links.token(LINK) != token
    with override_settings(SECRET_KEY="the new one", SECRET_KEY_FALLBACKS=[]), pytest.raises(BadLink):
        signed_links.read_token(token)
