"""The product's settings on neutral ground: nothing here depends on a developer's `.env` or exported variables."""

import os

from tests.support.servers.processes import private_folder

# A folder for each process: xdist's workers must not share a database file.
TEST_FOLDER = private_folder(prefix="tests")

NEUTRAL = {
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "only-for-the-tests-b2n7w0dq5x9k3m1v8z6c4j",
    "DEBUG": "off",
    "HTTPS": "off",
    "EMAIL_URL": "dummymail://",
    "SMS_URL": "null://",
    "BROKER_URL": "database://",
    "PUBLIC_URL": "http://localhost:8000",
    # What presses Send wants it sent; tests of the time to undo it set one.
    "UNDO_SECONDS": "0",
    "DEFAULT_FROM_EMAIL": "Notifier <notifier@example.com>",
}
# What else a developer may have exported; absent means the product's own default.
ABSENT = [
    "ALLOWED_HOSTS",
    "ANYMAIL_WEBHOOK_SECRET",
    "APPROVAL_ABOVE",
    "BEHIND_PROXY",
    "BREAKER_MINIMUM",
    "BREAKER_PERCENT",
    "BREAKER_PROBE_SECONDS",
    "BREAKER_WINDOW_SECONDS",
    "CLIENT_LANGUAGES",
    "CLIENT_TIME_ZONE",
    "CONFIRM_ABOVE",
    "CONSENT_KEY",
    "EMAIL_BACKEND",
    "EMAIL_CAP",
    "EMAIL_CONCURRENCY",
    "EMAIL_QUIET_HOURS",
    "EMAIL_RATE",
    "EMAIL_TIMEOUT",
    "EXPAND_CHUNK",
    "LEASE_SECONDS",
    "LOGIN_COOLOFF_MINUTES",
    "LOGIN_FAILURES",
    "LOG_LEVEL",
    "MAX_ATTEMPTS",
    "PHONE_DEFAULT_REGION",
    "PICTURES_S3_URL",
    "SMS_COUNTRIES",
    "EMAIL_DSN",
    "RECEIPT_MINUTES",
    "RECEIPT_PERCENT",
    "SMS_RECEIPTS",
    "QUEUE_ROOM",
    "RETRY_BASE_SECONDS",
    "SECRET_KEY_FALLBACKS",
    "SESSION_HOURS",
    "SMS_CAP",
    "SMS_CONCURRENCY",
    "SMS_HELP_ANSWER",
    "SMS_QUIET_HOURS",
    "SMS_RATE",
    "SMS_STOP_LINE",
    "SOFT_BOUNCES",
    "STAFF_MAILS",
    "TICKET_LIFETIME_SECONDS",
    "TICKET_SIZE",
    "TIME_ZONE",
    "UNSUBSCRIBE_MAILTO",
    "UPLOAD_MAX_MB",
]

# Nothing is written beside the code.
NEUTRAL["PICTURES_DIR"] = str(TEST_FOLDER / "pictures")

os.environ.update(NEUTRAL)
for name in ABSENT:
    os.environ.pop(name, None)
# The engine plugin names its own private PostgreSQL; any other address is somebody's real database.
if "TEST_POSTGRES_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["TEST_POSTGRES_URL"]
else:
    os.environ["DATABASE_URL"] = f"sqlite:///{TEST_FOLDER}/notifier.sqlite3"

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT = TEST_FOLDER / "static"
STATIC_ROOT.mkdir()
# Without a manifest, and straight from the sources: no collectstatic before a test.
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}  # noqa: F405
WHITENOISE_USE_FINDERS = True
# Looked for when it is asked for: each test client would read the whole list of files first.
WHITENOISE_AUTOREFRESH = True
# Commits reach the kernel and not the disk, as in the tests' PostgreSQL: they survive a kill, which is all a test does.
if "init_command" in DATABASES["default"]["OPTIONS"]:  # noqa: F405
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"  # noqa: F405
