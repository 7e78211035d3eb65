"""A bucket, against a server that speaks as much S3 as is needed."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from config.environment import Environment
from notifier.messages import pictures
from notifier.pictures import storing
from tests.support.factories import a_picture

pytestmark = pytest.mark.django_db


class Bucket(BaseHTTPRequestHandler):
    """Keeps objects by their path, and the headers with which they were put."""

    objects: dict[str, bytes]
    signed: list[str]

    def do_PUT(self) -> None:
        type(self).objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).signed.append(self.headers["Authorization"])
        self._answer(200)

    def do_GET(self) -> None:
        data = type(self).objects.get(self.path)
        if data is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._answer(200, data)

    def do_HEAD(self) -> None:
        data = type(self).objects.get(self.path)
        self._answer(200 if data is not None else 404, data or b"")

    def do_DELETE(self) -> None:
        type(self).objects.pop(self.path, None)
        self._answer(204)

    def _answer(self, status: int, data: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Mon, 30 Nov 2026 12:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Bucket]]:
    class Own(Bucket):
        objects: dict[str, bytes] = {}
        signed: list[str] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"s3://key:se%2Fcret@127.0.0.1:{server.server_port}/mail/in?region=eu-west-1&insecure=1"
    monkeypatch.setenv("PICTURES_S3_URL", url)
    environment = Environment(Path("/nowhere"))
    pictured = environment.pictures("PICTURES_S3_URL", folder="var/pictures")
    environment.refuse_mistakes()
    settings.STORAGES = settings.STORAGES | {"pictures": pictured}
    yield Own
    server.shutdown()
    server.server_close()


def test_pictures_lie_in_a_bucket_where_one_is_set(bucket: type[Bucket]) -> None:
    picture = a_picture()

    assert set(bucket.objects) == {f"/mail/in/{picture.name}", f"/mail/in/{pictures.SMALL}{picture.name}"}
    assert "eu-west-1" in bucket.signed[0]
    assert storing.read(picture.name) == bucket.objects[f"/mail/in/{picture.name}"]
    assert len(storing.read(picture.name)) == picture.size_bytes


@pytest.mark.django_db(transaction=True)
def test_they_go_from_it_and_are_then_missing(bucket: type[Bucket]) -> None:
    picture = a_picture()
    name = picture.name

    storing.delete(picture)

    assert bucket.objects == {}
    with pytest.raises(FileNotFoundError):
        storing.read(name)


def test_a_bucket_that_is_away_is_told_of(bucket: type[Bucket], settings: Any) -> None:
    away = settings.STORAGES["pictures"]["OPTIONS"] | {"endpoint_url": "http://127.0.0.1:9"}
    settings.STORAGES = settings.STORAGES | {"pictures": settings.STORAGES["pictures"] | {"OPTIONS": away}}

    with pytest.raises(storing.StorageDown):
        a_picture()
