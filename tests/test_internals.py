"""What we lean on in other packages that they have promised to nobody, named one by one.

requirements.in holds these packages to a minor version. Where a test fails after a newer one is let in, look at the
module that it names before anything else: the package does something in another way there.
"""

import http.client
import inspect
import re
import smtplib
import socket
from contextlib import closing
from datetime import timedelta
from io import BufferedReader, BytesIO
from types import SimpleNamespace
from typing import Any

import honcho.manager
import httpcore
import httpx
import pytest
import requests
import urllib3
from _pytest.assertion import rewrite
from anymail.backends.base import AnymailBaseBackend
from anymail.backends.base_requests import AnymailRequestsBackend
from anymail.exceptions import AnymailRecipientsRefused
from anymail.message import AnymailStatus
from anymail.webhooks.unisender_go import UnisenderGoTrackingWebhookView
from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from django.conf.locale import LANG_INFO
from django.test import RequestFactory, TransactionTestCase
from django.utils import timezone
from django.utils.translation.trans_real import parse_accept_lang_header
from honcho.process import Popen, Process
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, phonenumberutil
from phonenumbers.tzdata import TIMEZONE_DATA
from pika import BlockingConnection, SelectConnection
from pika.adapters.select_connection import IOLoop
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from simple_history.admin import SimpleHistoryAdmin

from notifier.models import Client


def parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def names_in(function: Any) -> set[str]:
    return set(function.__code__.co_names)


# --- pika: notifier/transport/amqp/connections.py, "A peer that neither answers nor hangs up" -------------------------
def test_pikas_blocking_connection_has_its_real_one_in_impl() -> None:
    assert "_impl" in names_in(BlockingConnection.__init__)
    assert inspect.signature(BlockingConnection._create_connection).return_annotation.endswith("SelectConnection")


def test_pikas_connection_can_be_ended_from_our_side_by_terminate_stream() -> None:
    assert parameters(SelectConnection._terminate_stream) == ["error"]


def test_pikas_connection_counts_what_it_received_in_bytes_received() -> None:
    assert "bytes_received" in names_in(SelectConnection._trim_frame_buffer)


def test_pikas_loop_has_call_later_and_remove_timeout() -> None:
    assert parameters(IOLoop.call_later) == ["delay", "callback"]
    assert parameters(IOLoop.remove_timeout) == ["timeout_handle"]


def test_pikas_errors_carry_what_caused_them_in_exception() -> None:
    cause = OSError("no route")

    assert AMQPConnectorException(cause).args == (cause,)


# --- httpx and httpcore: consumers/backends/twilio.py, `_BoundedTransport` --------------------------------------------
def test_httpxs_transport_sends_by_the_pool_in_pool() -> None:
    assert isinstance(httpx.HTTPTransport()._pool, httpcore.ConnectionPool)
    for method in ("handle_request", "close", "__enter__", "__exit__"):
        assert "_pool" in names_in(getattr(httpx.HTTPTransport, method)), method


def test_httpxs_transport_keeps_nothing_else_that_ours_would_lack() -> None:
    assert vars(httpx.HTTPTransport()).keys() == {"_pool"}


def test_httpcores_network_is_read_through_what_ours_wraps() -> None:
    assert parameters(httpcore.SyncBackend.connect_tcp)[:3] == ["host", "port", "timeout"]
    methods = {name for name, value in vars(httpcore.NetworkStream).items() if inspect.isfunction(value)}
    assert methods == {"read", "write", "close", "start_tls", "get_extra_info"}


# --- re and phonenumbers: notifier/addresses/phone_countries.py -------------------------------------------------------
def test_a_pattern_is_parsed_into_pairs_of_a_kind_and_its_part() -> None:
    first, second = re._parser.parse(r"(?:12|\d)[2-3]{4}")  # type: ignore[attr-defined]

    assert (str(first[0]), str(second[0])) == ("BRANCH", "MAX_REPEAT")
    assert [str(kind) for kind, _ in second[1][2]] == ["IN"]


def test_the_kind_of_a_number_is_told_by_its_digits_and_a_plan() -> None:
    # notifier/addresses/phones.py, `_kind`
    assert parameters(phonenumberutil._number_type_helper) == ["national_number", "metadata"]
    assert "_number_type_helper" in names_in(phonenumberutil.number_type)


def test_a_countrys_plan_has_a_pattern_for_each_kind_of_number() -> None:
    plan: Any = PhoneMetadata.metadata_for_region("KZ")

    assert plan.leading_digits.endswith("7")
    assert plan.mobile.national_number_pattern
    assert COUNTRY_CODE_TO_REGION_CODE[7] == ("RU", "KZ")


def test_a_countrys_plan_says_what_is_dialled_before_a_number() -> None:
    # notifier/addresses/phones.py, `searched`
    plan: Any = PhoneMetadata.metadata_for_region("US")

    assert (plan.country_code, plan.national_prefix, plan.international_prefix) == (1, "1", "011")


# --- honcho: config/launcher.py, `Processes` --------------------------------------------------------------------------
def test_honchos_process_is_started_by_child_ctor() -> None:
    assert Process("true")._child_ctor is Popen
    assert "_child_ctor" in names_in(Process.run)
    assert "preexec_fn" in inspect.signature(Popen.__mro__[1]).parameters


def test_honchos_loop_calls_what_ours_overrides() -> None:
    manager = honcho.manager.Manager

    assert {"_start", "_all_started", "_any_stopped", "terminate", "returncode"} <= names_in(manager.loop)
    assert "_killall" in names_in(manager.terminate)
    assert [parameters(getattr(manager, name)) for name in ("_start", "_all_started", "_any_stopped")] == [[], [], []]
    assert parameters(manager._killall) == ["force"]


def test_honchos_wait_before_a_kill_is_a_constant_of_the_module() -> None:
    assert isinstance(honcho.manager.KILL_WAIT, int)
    assert "KILL_WAIT" in names_in(honcho.manager.Manager.loop)


# --- django-axes: notifier/staff/login_throttle.py --------------------------------------------------------------------
def test_axes_writes_the_moment_and_the_address_into_the_request() -> None:
    request: Any = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7")

    AxesProxyHandler.update_request(request)

    assert request.axes_ip_address == "192.0.2.7"
    assert abs(timezone.now() - request.axes_attempt_time) < timedelta(minutes=1)
    assert get_cool_off_threshold(request) < request.axes_attempt_time


def test_axes_asks_the_handler_whether_somebody_is_locked() -> None:
    assert parameters(AxesDatabaseHandler.is_locked) == ["request", "credentials"]
    assert "is_locked" in names_in(AxesProxyHandler.is_locked)


# --- django-simple-history: notifier/clients/archiving.py, notifier/clients/imports/writing.py ------------------------
def test_simple_historys_rows_have_the_columns_that_our_sql_fills() -> None:
    fields = {field.attname for field in Client.history.model._meta.concrete_fields}
    ours = {field.attname for field in Client._meta.concrete_fields}

    assert fields - ours == {
        "history_id",
        "history_date",
        "history_change_reason",
        "history_type",
        "history_user_id",
    }


def test_simple_historys_pages_are_asked_as_ours_are() -> None:
    # notifier/admin/notifications/notification_admin.py
    assert parameters(SimpleHistoryAdmin.history_form_view)[:4] == [
        "request",
        "object_id",
        "version_id",
        "extra_context",
    ]
    assert "request" in parameters(SimpleHistoryAdmin.revert_disabled)


# --- django-anymail: consumers/backends/django_mail.py and anymail_answers.py -----------------------------------------
def test_anymails_session_is_one_of_requests_that_hands_over_by_send() -> None:
    assert "session" in names_in(AnymailRequestsBackend.post_to_esp)
    assert "send" in names_in(requests.Session.request)


def test_anymail_notes_the_answer_before_it_complains_of_it() -> None:
    status = AnymailStatus()

    assert (status.status, status.esp_response) == (None, None)
    assert {"anymail_status", "esp_response"} <= names_in(AnymailBaseBackend._send)


def test_an_answer_of_urllib3_is_read_from_the_buffered_file_of_its_response_class() -> None:
    # consumers/backends/anymail_session.py, `_pools`
    assert "response_class" in names_in(http.client.HTTPConnection.getresponse)
    assert "response_class" not in vars(urllib3.connection.HTTPConnection)
    assert {"fp", "makefile"} <= names_in(http.client.HTTPResponse.__init__)
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        assert isinstance(http.client.HTTPResponse(ours).fp, BufferedReader)


def test_the_entries_of_unisender_gos_batch_are_read_by_parse_json_body() -> None:
    # notifier/webhooks/email_events.py, `_OneByOne`
    view = UnisenderGoTrackingWebhookView
    assert "parse_json_body" in names_in(view.parse_events) & names_in(view.validate_request)


def test_anymails_refusal_is_an_error_of_its_own() -> None:
    assert AnymailRecipientsRefused.__mro__[1].__name__ == "AnymailError"


# --- phonenumbers: notifier/policies/phone_zones.py -------------------------------------------------------------------
def test_phonenumbers_table_has_zones_by_the_first_digits() -> None:
    assert TIMEZONE_DATA["1212"] == ("America/New_York",)
    assert all(digits.isdecimal() for digits in TIMEZONE_DATA)


# --- Python's smtplib: consumers/backends/smtp_connection.py, `BoundedSmtp` ------------------------------------------
def test_smtplibs_login_tells_name_and_password_by_the_count_of_challenges() -> None:
    assert "_auth_challenge_count" in names_in(smtplib.SMTP.auth_login)
    assert parameters(smtplib.SMTP.auth) == ["mechanism", "authobject", "initial_response_ok"]


@pytest.mark.parametrize("lines", [b"250 OK\r\n", b"250-SIZE\r\n250 OK\r\n"])
def test_smtplib_reads_each_answer_by_readline_of_file(lines: bytes) -> None:
    smtp: Any = smtplib.SMTP()
    # As ours, without the rest of a file.
    smtp.file = SimpleNamespace(readline=BytesIO(lines).readline)

    assert smtp.getreply()[0] == 250
    assert smtp.file.readline(1) == b""


def test_smtplib_connects_by_get_socket_and_writes_by_send() -> None:
    assert parameters(smtplib.SMTP._get_socket) == ["host", "port", "timeout"]  # type: ignore[attr-defined]
    assert "_get_socket" in names_in(smtplib.SMTP.connect)
    assert {"context", "wrap_socket", "_host"} <= names_in(smtplib.SMTP_SSL._get_socket)  # type: ignore[attr-defined]
    assert "send" in names_in(smtplib.SMTP.putcmd)
    # Between the two of them the time-out of the handshake is set.
    assert {"docmd", "wrap_socket"} <= names_in(smtplib.SMTP.starttls)


def test_smtplib_opens_file_anew_for_another_socket() -> None:
    # After STARTTLS it has to be None, or ours would go on reading what came unencrypted.
    assert "file" in names_in(smtplib.SMTP.starttls)
    assert "file" in names_in(smtplib.SMTP.getreply)
    assert smtplib.SMTP().file is None


# --- Django -----------------------------------------------------------------------------------------------------------
def test_the_languages_of_a_browser_are_read_by_preference_and_nonsense_is_none() -> None:
    """notifier/languages/browsers.py"""
    assert parse_accept_lang_header("de;q=0.5,fr,en;q=0") == (("fr", 1.0), ("de", 0.5), ("en", 0.0))
    assert parse_accept_lang_header(";;=") == ()


def test_each_language_has_its_two_names() -> None:
    """notifier/languages/offered.py"""
    assert (LANG_INFO["de"]["name"], LANG_INFO["de"]["name_local"]) == ("German", "Deutsch")


# --- pytest: tests/support/suite/rewriting.py -------------------------------------------------------------------------
def test_pytest_reads_rewrites_and_writes_a_test_file_in_three_steps() -> None:
    assert parameters(rewrite._read_pyc)[:2] == ["source", "pyc"]
    assert parameters(rewrite._rewrite_test) == ["fn", "config"]
    assert parameters(rewrite._write_pyc) == ["state", "co", "source_hash", "pyc"]
    steps = {"_read_pyc", "_rewrite_test", "_write_pyc", "get_cache_dir", "PYC_TAIL"}
    assert steps <= names_in(rewrite.AssertionRewritingHook.exec_module)


# --- Django: tests/support/database/flushing.py -----------------------------------------------------------------------
def test_django_empties_the_tables_after_a_test_in_a_method_of_its_own() -> None:
    case: Any = TransactionTestCase

    assert "_fixture_teardown" in names_in(case._post_teardown)
    assert {"available_apps", "serialized_rollback"} <= names_in(case._fixture_teardown)
