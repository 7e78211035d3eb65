import socket

from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import FakeSmtp

#: The patience of a client whose server is made to say nothing.
SHORT_SECONDS = 1.0


def test_fakes_listen_on_loopback_only(fake_smtp: FakeSmtp, sms_process: SmsProcess) -> None:
    for port in (fake_smtp.port, sms_process.port):
        with socket.socket() as elsewhere:
            elsewhere.settimeout(SHORT_SECONDS)
            # Another address of this machine, which a server on all of them would answer at.
            assert elsewhere.connect_ex(("127.0.0.2", port)) != 0
