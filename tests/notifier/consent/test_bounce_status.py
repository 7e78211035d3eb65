import pytest

from notifier.consent import bounce_status
from notifier.consent.bounce_status import Finding

FOR_GOOD, FOR_NOW = Finding.FOR_GOOD, Finding.FOR_NOW


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        ("550 5.1.1 no such user", FOR_GOOD),
        ("550-5.1.1 The email account that you tried to reach does not exist", FOR_GOOD),
        ("smtp;550 5.1.1 unknown", FOR_GOOD),
        ("host mx1.example[192.2.1.5] said: 550 5.1.1 <…>: Recipient address rejected", FOR_GOOD),
        ("[192.2.1.5] tried twice, and at last: 550 5.1.1 unknown", FOR_GOOD),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", FOR_GOOD),
        ("550 #5.1.2 bad destination host", FOR_GOOD),
        ("550 (5.2.1) mailbox closed", FOR_GOOD),
        ("Action: failed; Status: 5.1.1; Remote-MTA: dns; mx", FOR_GOOD),
        ("smtp; 5.1.1 bad mailbox", FOR_GOOD),
        ("5.1.1", FOR_GOOD),
        ("[5.1.2.3] said: 452 mailbox full", FOR_NOW),
        ("5.1.2.3 said: 452 4.2.2 mailbox full", FOR_NOW),
        ("connect to mx[5.1.1.1]:25: 421 4.3.2 try later", FOR_NOW),
        ("552 5.2.2 mailbox full", FOR_NOW),
        ("450 mailbox busy", FOR_NOW),
        ("550 5.4.1 recipient address rejected: access denied", FOR_NOW),
        ("550 5.1.0 address rejected", FOR_NOW),
        ("550 5.1.0 sender rejected", Finding.NOT_THE_ADDRESS),
        ("550 5.1.1 <news@acme.example>: Sender address rejected: User unknown", Finding.NOT_THE_ADDRESS),
        ("550 5.1.2 …: Sender address rejected: Domain not found", Finding.NOT_THE_ADDRESS),
        ("553 5.1.3 sender address has bad syntax", Finding.NOT_THE_ADDRESS),
        ("550 5.1.1 Sender verify failed", Finding.NOT_THE_ADDRESS),
        ("553 5.1.2 We do not accept mail from your domain", Finding.NOT_THE_ADDRESS),
        ("550 5.1.1 Mail from 192.0.2.1 refused: listed by Spamhaus", Finding.NOT_THE_ADDRESS),
        ("550 5.1.1 Message rejected: your IP 192.0.2.1 is blacklisted", Finding.NOT_THE_ADDRESS),
        ("550 5.1.1 RP-001 Sender IP blocked", Finding.NOT_THE_ADDRESS),
        ("550 5.1.1 rejected by policy", Finding.NOT_THE_ADDRESS),
        ("550 5.1.1 looks like spam", Finding.NOT_THE_ADDRESS),
        ("550 5.1.1 Unauthenticated mail from acme.example is not accepted", Finding.NOT_THE_ADDRESS),
        ("550 5.2.1 Mailbox unavailable. Message too large", Finding.NOT_THE_ADDRESS),
        ("550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents", FOR_NOW),
        ("550 5.2.1 The user you are trying to contact is receiving mail too quickly", FOR_NOW),
        ("550 5.1.1 <spam@policy.example>: no such user", FOR_GOOD),
        ("550 5.1.1 User not listed in Domino Directory", FOR_GOOD),
        ("550 5.2.1 account disabled", FOR_GOOD),
        ("550 5.1.7 bad address of the sender", Finding.NOT_THE_ADDRESS),
        ("550 5.1.8 domain of sender does not resolve", Finding.NOT_THE_ADDRESS),
        ("553 sorry, your envelope sender is in my badmailfrom list", Finding.NOT_THE_ADDRESS),
        ("550 5.7.1 you are on a list", Finding.NOT_THE_ADDRESS),
        ("451 4.7.1 greylisted", Finding.NOT_THE_ADDRESS),
        ("552 5.3.4 too large", Finding.NOT_THE_ADDRESS),
        ("550 5.6.1 media not supported", Finding.NOT_THE_ADDRESS),
        ("550 no such user", Finding.OPEN),
        ("550 5.0.0 failed", Finding.OPEN),
        ("client host 5.1.1.9 blocked", Finding.OPEN),
        ("version 5.1.1 of the server", Finding.OPEN),
        ("in 452 days", Finding.OPEN),
        ("", Finding.OPEN),
    ],
)
def test_an_answer_is_judged_by_its_status_and_no_number_else(answer: str, finding: Finding) -> None:
    assert bounce_status.finding(answer) == finding
