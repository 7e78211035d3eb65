import contextlib
from string import printable

import idna
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifier.addresses import emails


def complaint(text: str) -> str:
    with pytest.raises(ValueError, match=r"e-mail address|invisible") as caught:
        emails.read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "one"),
    [
        (" Ann@Example.COM ", "ann@example.com"),
        ("ann@ｅｘａｍｐｌｅ.com", "ann@example.com"),
        ("ann@example。com", "ann@example.com"),
        ('"ann"@example.com', "ann@example.com"),
        ('"a\\nn"@example.com', "ann@example.com"),
        ('"a\\"b"@example.com', '"a\\"b"@example.com'),
        ("K@example.com", "k@example.com"),  # the sign for Kelvin, which is a K
        ("bob@bücher.example", "bob@bücher.example"),
        ("bob@BÜCHER.example", "bob@bücher.example"),
        ("bob@bu\u0308cher.example", "bob@bücher.example"),
        ("bob@xn--bcher-kva.example", "bob@bücher.example"),
        ("bob@XN--BCHER-KVA.example", "bob@bücher.example"),
        ("a@faß.de", "a@faß.de"),
        ("a@fass.de", "a@fass.de"),
        ("a@ΣΑΣ.gr", "a@σασ.gr"),
        ("a@σας.gr", "a@σας.gr"),
        ("a@نامه\u200cای.com", "a@نامه\u200cای.com"),
        ("a@xn--mgba3gch31f060k.com", "a@نامه\u200cای.com"),
        ("a@نامهای.com", "a@نامهای.com"),
        ("a@xn--i-7iq.ws", "a@xn--i-7iq.ws"),  # a heart, which IDNA 2008 has no letter for
        ("a@[0:0:0:0:0:0:0:1]", "a@[::1]"),
    ],
)
def test_every_spelling_of_a_mailbox_is_one_address(written: str, one: str) -> None:
    assert emails.read(written) == one
    assert emails.canonical(written) == emails.canonical(one) == one


@pytest.mark.parametrize(
    ("address", "on_the_wire"),
    [
        ("ann@example.com", "ann@example.com"),
        ("bob@bücher.example", "bob@xn--bcher-kva.example"),
        ("a@faß.de", "a@xn--fa-hia.de"),
        ("a@σας.gr", "a@xn--mxa8ab.gr"),
        ("a@xn--i-7iq.ws", "a@xn--i-7iq.ws"),
    ],
)
def test_a_domain_goes_out_as_idna_2008_has_it(address: str, on_the_wire: str) -> None:
    assert emails.in_ascii(address) == on_the_wire


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "ann@example.com\u200b",
            "“ann@example.com” contains an invisible character after “…com” (U+200B zero width space",
        ),
        ("ann@exam\u00adple.com", "after “…xam” (U+00AD soft hyphen)"),
        ("\ufeffann@example.com", "at its beginning (U+FEFF zero width no-break space)"),
        ("a\u200dnn@example.com", "after “a” (U+200D zero width joiner)"),
        ("ann@example\u2060.com", "(U+2060 word joiner)"),
        ("ann@example\ufe0f.com", "(U+FE0F variation selector-16)"),
        ("ann\u202e@example.com", "(U+202E right-to-left override)"),
        ('"a\u2028b"@example.com', "(U+2028 line separator)"),
        ('"a\x85b"@example.com', "(U+0085)"),
        ('"a\x0bb"@example.com', "(U+000B)"),
        ("ann@exam\u3164ple.com", "(U+3164 hangul filler)"),
    ],
)
def test_an_invisible_character_is_refused_by_its_name(text: str, words: str) -> None:
    assert words in complaint(text)


@pytest.mark.parametrize(
    "text",
    ["", "ann", "@", "ann@", "ſam@example.com", "ａｎｎ@example.com", "a@i❤.ws", "a@ab\u200ccd.com", "a@-bücher.de"],
)
def test_what_no_mail_can_go_to_is_refused(text: str) -> None:
    assert "is not an e-mail address" in complaint(text)


def test_an_address_is_no_longer_than_smtp_takes_it() -> None:
    domain = ".".join(["ü" * 20] * 10)

    assert len(f"a@{domain}.de") < 254 < len(emails.in_ascii(f"a@{domain}.de"))
    assert "longer than 254" in complaint(f"a@{domain}.de")


def test_whoever_looks_for_an_address_need_not_see_what_was_copied_with_it() -> None:
    assert emails.searched("ann@example.com\u200b") == "ann@example.com"
    assert emails.searched("ann@xn--bcher-kva.exa") == "ann@bücher.exa"


def test_an_address_of_before_is_put_where_its_mail_went() -> None:
    assert emails.repaired("ann@exam\u00adple.com\u200b") == "ann@example.com"


TEXTS = st.text(max_size=30) | st.builds("{}@{}".format, st.text(max_size=8), st.text(max_size=12))


@settings(max_examples=400, deadline=None)
@given(TEXTS)
@example("a@ΣΑΣ.gr")
@example("a@Ꭰ.com")
@example("a@İstanbul.example")
def test_the_one_form_stays_as_it_is_and_is_lower_case(text: str) -> None:
    one = emails.canonical(text)

    assert emails.canonical(one) == one
    with contextlib.suppress(ValueError):
        # In lower case, as the database's constraint has it; and in ASCII it is the same address.
        assert emails.read(text) == one == one.lower()
        assert emails.read(emails.in_ascii(one)) == one


@pytest.mark.parametrize(("text", "forms"), [("ann@example.com", 1), ("bob@bücher.example", 3)])
def test_digests_of_before_are_found_by_every_spelling(text: str, forms: int) -> None:
    assert len(emails.spellings(text)) == forms
    assert emails.spellings(text)[0] == emails.canonical(text)


@given(st.text(alphabet=sorted(set(printable[:95]) - set('"[')), max_size=20))
def test_a_domain_of_plain_letters_is_what_uts_46_makes_of_it(domain: str) -> None:
    if "xn--" not in domain.lower():
        assert emails._mapped_domain(domain) == idna.uts46_remap(domain, std3_rules=False)
