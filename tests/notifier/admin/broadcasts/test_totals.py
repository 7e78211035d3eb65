from notifier.admin.broadcasts.totals import Totals, in_words
from notifier.models import Channel

EMAIL, SMS = Channel.EMAIL, Channel.SMS


def test_the_button_names_what_goes_out() -> None:
    assert in_words({EMAIL: 1, SMS: 0}) == "1 e-mail"
    assert in_words({EMAIL: 1200, SMS: 3}) == "1,200 e-mails and 3 SMS"


def test_critical_or_not_is_told_apart() -> None:
    totals = Totals({EMAIL: 227, SMS: 0}, {EMAIL: 431, SMS: 2})

    assert (totals.total, totals.in_words) == (227, "227 e-mails")
    assert (totals.critical_total, totals.critical_in_words) == (433, "431 e-mails and 2 SMS")
