"""The product's own settings, with rules of it broken on purpose: those that SABOTAGE names, separated by commas."""

from config.settings import *  # noqa: F403

INSTALLED_APPS += ["tests.faults.judging.sabotage.Sabotage"]  # noqa: F405
