"""The texts that a notification can begin from."""

import pytest

from notifier.messages import email, fill_ins, mistakes, placeholders, sms_segments
from notifier.messages.text_templates import TEMPLATES, TextTemplate
from notifier.models import Notification
from tests.support.factories import a_topic

every_template = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
VALUES = placeholders.values(name="Ann Example", first_name="Ann", last_name="Example", topic="Listings")


@every_template
def test_a_template_can_be_saved_as_it_is(db: None, template: TextTemplate) -> None:
    notification = Notification(topic=a_topic(), **template.texts)

    notification.full_clean()
    notification.save()

    assert mistakes.found(**template.texts) == {}


@every_template
def test_a_template_renders_with_its_placeholders_filled_in(template: TextTemplate) -> None:
    rendered = email.render(subject=template.subject, preheader=template.preheader, body=template.email_body)

    shown = [
        rendered.html_for(VALUES, "token"),
        rendered.text_for(VALUES, "token"),
        *(placeholders.render(text, VALUES) for text in template.texts.values()),
    ]
    assert all("{{" not in text and "}}" not in text for text in shown)
    assert "Ann Example" in shown[0]
    assert "Ann" in shown[-1]
    assert "{.button}" not in shown[0]
    assert '<td align="center" bgcolor=' in shown[0]


@every_template
def test_a_template_goes_to_clients_without_a_first_name_too(template: TextTemplate) -> None:
    assert placeholders.needed(*template.texts.values()) in ((), ("name",))

    sms = placeholders.sms(template.sms_body, placeholders.values(name="Cher", topic="Listings"))

    assert sms.startswith("Hello")
    assert sms_segments.measure(sms).segments == 1


@every_template
def test_what_follows_the_greeting_begins_as_a_sentence(template: TextTemplate) -> None:
    _, greeting, rest = template.email_body.partition("Dear {{ name }},\n\n")

    assert greeting
    assert rest[0].isupper()


@every_template
def test_an_sms_of_a_template_is_one_segment(template: TextTemplate) -> None:
    size = sms_segments.measure(placeholders.sms(template.sms_body, VALUES))

    assert (size.encoding, size.segments) == ("GSM-7", 1)


@every_template
def test_what_a_template_leaves_open_is_noticed(template: TextTemplate) -> None:
    assert any("example.com" in words for words in fill_ins.warnings(template.email_body))
    assert "[" not in template.subject or fill_ins.warnings(template.subject)
    assert fill_ins.warnings(template.sms_body)
