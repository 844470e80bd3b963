# SPDX-License-Identifier: AGPL-3.0-or-later
"""A small S3-compatible store in memory: path-style objects of one bucket, signed requests only."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "city-test"
ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"

COPIED = (
    b"<?xml version='1.0'?><CopyObjectResult><ETag>0</ETag>"
    b"<LastModified>2026-01-01T00:00:00.000Z</LastModified></CopyObjectResult>"
)


class FakeS3:
    """`objects` by key. `failing`: answers 503 to everything, as an overloaded store does."""

    def __init__(self, bucket: str = "evidence") -> None:
        self.objects: dict[str, bytes] = {}
        self.failing = False
        told = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _key(self) -> str | None:
                """The object's key; answers by itself where the request is refused."""
                signed = f"AWS4-HMAC-SHA256 Credential={KEY}/"
                path = self.path.partition("?")[0].lstrip("/")
                name, _, key = path.partition("/")
                if told.failing:
                    return self._refuse(503, "SlowDown")
                if not self.headers.get("Authorization", "").startswith(signed):
                    return self._refuse(403, "AccessDenied")
                if name != bucket:
                    return self._refuse(404, "NoSuchBucket")
                return key

            def _refuse(self, status: int, code: str) -> None:
                self._body()
                self._answer(status, ERROR.format(code, code).encode())

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def _answer(self, status: int, body: bytes = b"") -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "application/xml")
                self.send_header("ETag", '"0"')
                self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
                self.end_headers()
                if self.command != "HEAD":
                    # A receiver that was killed no longer reads.
                    with contextlib.suppress(ConnectionError):
                        self.wfile.write(body)

            def do_PUT(self) -> None:
                if key := self._key():
                    source = self.headers.get("x-amz-copy-source", "").lstrip("/")
                    body = self._body()
                    told.objects[key] = told.objects[source.partition("/")[2]] if source else body
                    self._answer(200, COPIED if source else b"")

            def do_GET(self) -> None:
                key = self._key()
                if key is not None and key in told.objects:
                    self._answer(200, told.objects[key])
                elif key is not None:
                    self._answer(404, ERROR.format("NoSuchKey", key).encode())

            def do_HEAD(self) -> None:
                if (key := self._key()) is not None:
                    self._answer(200 if not key or key in told.objects else 404)

            def do_DELETE(self) -> None:
                if key := self._key():
                    told.objects.pop(key, None)
                    self._answer(204)

            def log_message(self, *_: object) -> None:
                """Requests are not worth a line."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/{bucket}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
