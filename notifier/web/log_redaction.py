"""Keeps the tokens of clients' links out of the log: with one, anybody could act as the client."""

import logging

from notifier.messages import signed_links


class WithoutTokens(logging.Filter):
    """Removes tokens from the paths that Django logs for requests that failed."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _clean(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(map(_clean, record.args))
        return True


def _clean(value: object) -> object:
    return signed_links.without_tokens(value) if isinstance(value, str) else value
