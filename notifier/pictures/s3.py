"""A bucket that speaks S3, for pictures: imported only where PICTURES_S3_URL names one."""

from typing import Any

from botocore.config import Config
from storages.backends.s3 import S3Storage

#: A page waits for it, so a bucket that is away must not hold a web worker for minutes.
_PATIENT = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"total_max_attempts": 2},
    s3={"addressing_style": "path"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class PictureBucket(S3Storage):
    """Private: the web processes read it, and nobody else has to."""

    def __init__(self, **options: Any) -> None:
        super().__init__(client_config=_PATIENT, default_acl=None, querystring_auth=False, **options)
