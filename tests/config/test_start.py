"""What a process loads before it works: those that send serve no pages, and are started anew after every kill."""

import subprocess
import sys

import pytest

from tests.support.servers.stack import PROJECT

START = """
import sys
import django
django.setup()
from django.core.management import load_command_class
command = load_command_class(*sys.argv[1:])
command.check(tags=command.requires_system_checks)
print("pages:", sorted(name for name in sys.modules if name.startswith("notifier.admin") or name == "config.urls"))
"""
ALL_CHECKS = """
import django
django.setup()
from django.contrib import admin
from django.core import checks
assert not admin.site._registry, "a page was registered before it was asked for"
broken = lambda *_, **__: [checks.Error("the page is broken", id="test.E001")]
from django.contrib.admin.options import ModelAdmin
ModelAdmin.check = broken
print([message.id for message in checks.run_checks(tags=[checks.Tags.admin])])
"""


def python(program: str, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *argv], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("command", [("consumers", "run_consumer"), ("notifier", "run_dispatcher")])
def test_what_sends_loads_no_page(command: tuple[str, str]) -> None:
    assert "pages: []\n" in python(START, *command)


@pytest.mark.parametrize("command", [("consumers", "run_consumer"), ("notifier", "run_dispatcher")])
def test_what_sends_still_complains_of_settings_that_do_not_go_together(
    command: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILPOINT", "claim.taken:1:kill")

    assert "notifier.W003" in python(START, *command)


def test_the_checks_look_at_the_pages_too() -> None:
    assert "test.E001" in python(ALL_CHECKS)
