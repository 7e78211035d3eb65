"""What a log must not hold: with the token of a link anybody could do what its client may."""

import logging

from notifier.messages import signed_links


class WithoutTokens(logging.Filter):
    """Takes the tokens out of the paths that Django names when it could not answer as asked."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _clean(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(map(_clean, record.args))
        return True


def _clean(value: object) -> object:
    return signed_links.without_tokens(value) if isinstance(value, str) else value
