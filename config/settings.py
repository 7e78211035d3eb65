"""Every setting, each from the environment or `.env`. README lists them with their meaning and default."""

import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from phonenumbers import SUPPORTED_REGIONS

from config import environment, spelling
from config.environment import BROKER_SCHEMES, Environment
from notifier.runtime.this_machine import is_this_machine

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = Environment(BASE_DIR)
env.read_file(Path(os.environ.get("ENV_FILE", BASE_DIR / ".env")))

# --- The site ---------------------------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", default=False)
# Serve everything over HTTPS, with secure cookies and HSTS. Off only to try it locally over plain HTTP.
HTTPS = env.flag("HTTPS", default=not DEBUG)
BEHIND_PROXY = env.flag("BEHIND_PROXY", default=False)

SECRET_KEY = env.text("SECRET_KEY")
if not SECRET_KEY:
    env.mistakes.append(
        "SECRET_KEY is missing. Set it to a long random text, e.g. the output of "
        "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'."
    )
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS", [])
# The key of the digests of erased addresses. Never change it: otherwise the digests find no address any more.
CONSENT_KEY = env.text("CONSENT_KEY")
PUBLIC_URL = (
    env.spelled("PUBLIC_URL", env.text("PUBLIC_URL"), spelling.site_url, "https://notifier.example.com")
    or "http://localhost:8000"
)
PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname or "localhost"
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]", PUBLIC_HOST])
# A PUBLIC_URL that was forgotten is not for others, but the names that are answered show that others come.
OTHER_HOSTS = [host for host in (PUBLIC_HOST, *ALLOWED_HOSTS) if not is_this_machine(host)]
if OTHER_HOSTS:
    # What is good enough for a trial on this machine is not for others: see docs/operations.md.
    env.refuse_published_keys(
        {
            "SECRET_KEY": [SECRET_KEY],
            "SECRET_KEY_FALLBACKS": SECRET_KEY_FALLBACKS,
            "CONSENT_KEY": [CONSENT_KEY],
        }
    )
    if DEBUG:
        env.mistakes.append(
            f"DEBUG=on shows code and settings to anyone who gets an error, and the host “{OTHER_HOSTS[0]}” is not "
            "for this machine only: set DEBUG=off."
        )
if unhostly := [host for host in ALLOWED_HOSTS if "/" in host]:
    env.mistakes.append(f"ALLOWED_HOSTS contains {unhostly[0]!r}. Use host names only, like notifier.example.com.")
CSRF_TRUSTED_ORIGINS = [f"{urlsplit(PUBLIC_URL).scheme}://{urlsplit(PUBLIC_URL).netloc}"]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEST_RUNNER = "tests.support.suite.runner.PytestRunner"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = (
    env.checked(
        "TIME_ZONE",
        env.text("TIME_ZONE", "UTC"),
        lambda zone: zone in available_timezones(),
        "is not a time zone. Use a name like Europe/London.",
    )
    or "UTC"
)
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "config.formats"
# What clients read is translated. The back office is always in LANGUAGE_CODE: no middleware looks at the browser's.
LOCALE_PATHS = [BASE_DIR / "locale"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "config.apps.NotifierAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_extensions",
    "django_htmx",
    "phonenumber_field",
    "simple_history",
    "csp",
    "axes",
    "notifier",
    "consumers",
]
MIDDLEWARE = [
    "notifier.web.local_debug.LocalDebugMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "notifier.web.security_headers.HeadersMiddleware",
    "notifier.web.security_headers.SizeLimitMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "notifier.web.odd_urls.OddUrlMiddleware",
    # Before everything that reads cookies.
    "notifier.web.cookies.NoCookiesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "notifier.staff.sessions.ActivityMiddleware",
    "notifier.staff.timezones.TimeZoneMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "notifier.web.db_errors.OutageMiddleware",
    # Last: it replaces the answer to a log-in that is locked out by a page of its own.
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- Static files -----------------------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
    # Those in e-mails: a folder that all web processes share, or a bucket.
    "pictures": env.pictures("PICTURES_S3_URL", folder=env.text("PICTURES_DIR", "var/pictures")),
}

# --- Security ---------------------------------------------------------------------------------------------------------
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# The first refuses those who are locked out, the second checks passwords.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "notifier.staff.auth_backend.StaffBackend"]
LOGIN_URL = "admin:login"
# Where a log-in leads if it can't lead to the page that was asked for.
LOGIN_REDIRECT_URL = "admin:index"
# --- Log-in: see notifier/staff/login_throttle.py and docs/rights.md
LOGIN_FAILURES = env.whole("LOGIN_FAILURES", 5, most=1000)
LOGIN_COOLOFF_MINUTES = env.whole("LOGIN_COOLOFF_MINUTES", 15, most=7 * 24 * 60)
AXES_HANDLER = "notifier.staff.login_throttle.LockoutHandler"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = LOGIN_FAILURES
AXES_COOLOFF_TIME = timedelta(minutes=LOGIN_COOLOFF_MINUTES)
# Further failures don't make it longer: otherwise the owner of the name might wait for ever.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "notifier.staff.login_throttle.locked_out"
AXES_USERNAME_CALLABLE = "notifier.staff.login_throttle.client_name"
AXES_CLIENT_IP_CALLABLE = "notifier.staff.login_throttle.client_address"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken"]
# Their pages are ours: notifier/admin/staff/logins.py.
AXES_ENABLE_ADMIN = False
# --- Sessions end after this time without use, and with the browser; see notifier/staff/sessions.py
SESSION_HOURS = env.whole("SESSION_HOURS", 12, most=30 * 24)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
# Browsers accept cookies with this prefix only over HTTPS, from this very host, and for all its paths.
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
# The health check comes from the machine itself, over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "notifier.admin.error_pages.csrf_failure"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        # The preview of an e-mail is one of our pages inside another.
        "frame-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        # Newer browsers use the first, which refers to a header of web/security_headers.py, older ones the second.
        "report-to": "csp",
        "report-uri": "/csp-report",
    }
}
# No request may be larger than this with all its files, apart from the few bytes around a file of clients. What is not
# a file stays in memory.
UPLOAD_MAX_MB = env.whole("UPLOAD_MAX_MB", 10, most=1000)
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 5

# Counts requests within a minute: notifier/web/minute_counts.py. Each web process has its own.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "notifier",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}

# --- Database and broker ----------------------------------------------------------------------------------------------
DATABASES = {"default": env.database("DATABASE_URL", "sqlite:///var/notifier.sqlite3")}
BROKER_URL = env.url("BROKER_URL", "database://", BROKER_SCHEMES)
# Dotted paths, so that only the chosen one is imported.
TRANSPORTS = {
    "database": "notifier.transport.database.DatabaseTransport",
    "amqp": "notifier.transport.amqp.transport.AmqpTransport",
    "amqps": "notifier.transport.amqp.transport.AmqpTransport",
}

# --- Providers --------------------------------------------------------------------------------------------------------
_email = env.email("EMAIL_URL", "console://", backend=env.text("EMAIL_BACKEND"))
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
# Which of them is SMTP: we speak that ourselves, and look after its host and its time-outs.
SMTP_BACKEND = environment.SMTP_BACKEND
EMAIL_HOST = _email["EMAIL_HOST"]
EMAIL_PORT = _email["EMAIL_PORT"]
EMAIL_HOST_USER = _email["EMAIL_HOST_USER"]
EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS = _email["EMAIL_USE_TLS"]
EMAIL_USE_SSL = _email["EMAIL_USE_SSL"]
EMAIL_FILE_PATH = _email["EMAIL_FILE_PATH"]
EMAIL_TIMEOUT = env.whole("EMAIL_TIMEOUT", 30, most=3600)
DEFAULT_FROM_EMAIL = (
    env.spelled("DEFAULT_FROM_EMAIL", env.text("DEFAULT_FROM_EMAIL"), spelling.sender, "Notifier <news@example.com>")
    or "Notifier <notifier@localhost>"
)
# Where EMAIL_BACKEND is one of django-anymail's: ANYMAIL_POSTMARK_SERVER_TOKEN sets its POSTMARK_SERVER_TOKEN …
ANYMAIL = {
    **env.prefixed("ANYMAIL_"),
    "WEBHOOK_SECRET": env.secrets("ANYMAIL_WEBHOOK_SECRET"),
    # A provider that can't carry our delivery's id still sends the message.
    "IGNORE_UNSUPPORTED_FEATURES": True,
    "REQUESTS_TIMEOUT": EMAIL_TIMEOUT,
}
# What a mail server that offers delivery status notifications is asked to report, by mail to DEFAULT_FROM_EMAIL.
EMAIL_DSN = tuple(
    env.checked(
        "EMAIL_DSN",
        env.text("EMAIL_DSN").replace(" ", "").upper(),
        lambda names: set(names.split(",")) <= {"SUCCESS", "FAILURE", "DELAY"},
        "is not what a mail server can report. Use success, failure and delay, separated by commas.",
    ).split(",")
    if env.text("EMAIL_DSN")
    else ()
)
SMS_URL = env.sms("SMS_URL", "console://")
SEND_BACKENDS = {"email": "consumers.backends.email.get_backend", "sms": "consumers.backends.sms.get_backend"}
SEND_FAILURE = "consumers.backends.base.SendFailure"
# Who may deliver answers, by SMS_URL's scheme: notifier/webhooks/.
INBOUND_SMS = {"twilio": "notifier.webhooks.twilio.Twilio"}
# Whether providers are asked to report what became of each SMS. They call PUBLIC_URL, and refuse an SMS with an address
# that they can't reach.
SMS_RECEIPTS = env.flag("SMS_RECEIPTS", default=PUBLIC_URL.startswith("https://"))
# Receipts are overdue if, so long after a broadcast ended, more than this share of its messages still wait for one.
RECEIPT_MINUTES = env.whole("RECEIPT_MINUTES", 60, most=7 * 24 * 60)
RECEIPT_PERCENT = env.whole("RECEIPT_PERCENT", 20, most=100)
PHONENUMBER_DEFAULT_REGION = PHONE_DEFAULT_REGION = (
    env.checked(
        "PHONE_DEFAULT_REGION",
        env.text("PHONE_DEFAULT_REGION").upper(),
        lambda region: region in SUPPORTED_REGIONS,
        "is not a region. Use two letters, like GB or US, or leave it out.",
    )
    or None
)
PHONENUMBER_DB_FORMAT = "E164"
# Where SMS may go: a stranger's number in a dear country costs money with each message.
SMS_COUNTRIES = tuple(
    env.checked(
        "SMS_COUNTRIES",
        env.text("SMS_COUNTRIES").upper().replace(" ", ""),
        lambda regions: set(regions.split(",")) <= SUPPORTED_REGIONS,
        "are not all regions. Use two letters each, separated by commas, like GB,IE, or leave it out.",
    ).split(",")
    if env.text("SMS_COUNTRIES")
    else ()
)

# --- Broadcasting: see docs/engine.md ---------------------------------------------------------------------------------
CONFIRM_ABOVE = env.whole("CONFIRM_ABOVE", 1000)
APPROVAL_ABOVE = env.whole("APPROVAL_ABOVE", 0, least=0) if env.text("APPROVAL_ABOVE") else None
UNDO_SECONDS = env.whole("UNDO_SECONDS", 10, least=0, most=600)
# Approvers are told by e-mail what is awaiting them, and requesters what was decided.
STAFF_MAILS = env.flag("STAFF_MAILS", default=True)
EXPAND_CHUNK = env.whole("EXPAND_CHUNK", 10_000)
TICKET_SIZE = env.whole("TICKET_SIZE", 100, most=100)
QUEUE_ROOM = env.whole("QUEUE_ROOM", 20)
TICKET_LIFETIME_SECONDS = env.whole("TICKET_LIFETIME_SECONDS", 900)
LEASE_SECONDS = env.whole("LEASE_SECONDS", 300)
CONCURRENCY = {
    "email": env.whole("EMAIL_CONCURRENCY", 10, most=1000),
    "sms": env.whole("SMS_CONCURRENCY", 10, most=1000),
}
MAX_ATTEMPTS = env.whole("MAX_ATTEMPTS", 8, most=100)
RETRY_BASE_SECONDS = env.whole("RETRY_BASE_SECONDS", 15, most=3600)
# The most messages a second for a channel's provider; staff may change it at any time.
RATES = {"email": env.rate("EMAIL_RATE"), "sms": env.rate("SMS_RATE")}
BREAKER_PERCENT = env.whole("BREAKER_PERCENT", 50, most=100)
BREAKER_MINIMUM = env.whole("BREAKER_MINIMUM", 20)
BREAKER_WINDOW_SECONDS = env.whole("BREAKER_WINDOW_SECONDS", 60)
BREAKER_PROBE_SECONDS = env.whole("BREAKER_PROBE_SECONDS", 30, most=900)

# --- Consent: see docs/consent.md -------------------------------------------------------------------------------------
# A mailbox that somebody reads, for clients who unsubscribe by mail instead of by the link.
UNSUBSCRIBE_MAILTO = env.spelled(
    "UNSUBSCRIBE_MAILTO", env.text("UNSUBSCRIBE_MAILTO"), spelling.mailbox, "unsubscribe@example.com"
)
# This many soft bounces in a row count as a hard one.
SOFT_BOUNCES = env.whole("SOFT_BOUNCES", 5, most=100)
# No messages in these hours, by the client's own clock.
QUIET_HOURS = {"email": env.quiet_hours("EMAIL_QUIET_HOURS"), "sms": env.quiet_hours("SMS_QUIET_HOURS")}
CLIENT_TIME_ZONE = (
    env.checked(
        "CLIENT_TIME_ZONE",
        env.text("CLIENT_TIME_ZONE"),
        lambda zone: zone in available_timezones(),
        "is not a time zone. Use a name like Europe/London.",
    )
    or TIME_ZONE
)
# The languages in which clients are written to; the first is that of clients for whom none is on record.
CLIENT_LANGUAGES = env.languages("CLIENT_LANGUAGES", "en,de,fr,es", folder=LOCALE_PATHS[0])
# For everyone, but in the languages in which SMS_STOP_LINE_DE and the like say it. Sentences of our own are translated.
SMS_STOP_LINE, SMS_STOP_LINES = env.text("SMS_STOP_LINE"), env.by_language("SMS_STOP_LINE", CLIENT_LANGUAGES)
SMS_HELP_ANSWER = env.text(
    "SMS_HELP_ANSWER", "You are receiving these messages because you asked for them. Reply STOP to end them."
)
SMS_HELP_ANSWERS = env.by_language("SMS_HELP_ANSWER", CLIENT_LANGUAGES)
# At most so many messages to one client in so many days.
CAPS = {"email": env.cap("EMAIL_CAP"), "sms": env.cap("SMS_CAP")}

# --- Logs: ids, never addresses or texts ------------------------------------------------------------------------------
LOG_LEVEL = (
    env.checked(
        "LOG_LEVEL",
        env.text("LOG_LEVEL", "INFO").upper(),
        lambda level: level in ("DEBUG", "INFO", "WARNING", "ERROR"),
        "is not a log level. Use DEBUG, INFO, WARNING or ERROR.",
    )
    or "INFO"
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "notifier.web.log_redaction.RedactingFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            # With the offset: logs of machines in several zones are read together.
            "datefmt": "%Y-%m-%d %H:%M:%S%z",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    # Of every package: without a handler of ours, Python writes its warnings and tracebacks as they are.
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        **{name: {"level": LOG_LEVEL} for name in ("notifier", "consumers")},
        # Django's own handlers write to the console only with DEBUG, but a page that failed must always be logged.
        "django": {"handlers": ["console"], "level": "INFO", "propagate": False},
        # Without names and addresses.
        "axes": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        # Every error of the broker is logged once, with a text of our own.
        "pika": {"level": "CRITICAL"},
    },
}

env.refuse_mistakes()
