"""A mail provider's HTTP interface that answers as it is told to, whatever it is asked."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class HttpAnswer:
    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Read the request and hang up without a word.
    drops: bool = False
    #: Seconds between any two bytes of the body.
    drip: float = 0.0


class MailApi:
    def __init__(self) -> None:
        self.answer = HttpAnswer()
        self.requests: list[str] = []
        #: Set at the end: nothing is dripped any more.
        self.over = threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                api.requests.append(body.decode("utf-8", "replace"))
                answer = api.answer
                if answer.drops:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json" if answer.body else "text/html")
                self.send_header("Content-Length", str(len(answer.body.encode())))
                self.end_headers()
                if not answer.drip:
                    self.wfile.write(answer.body.encode())
                    return
                with suppress(OSError):
                    for byte in answer.body.encode():
                        api.over.wait(answer.drip)
                        self.wfile.write(bytes([byte]))

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
