# SPDX-License-Identifier: AGPL-3.0-or-later
"""A plain list of what came last, with its pictures. Loopback only: it asks for no password."""

from __future__ import annotations

import contextlib
import html
import re
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from urllib.parse import parse_qs, quote, unquote

import msgspec

from city_platform.files import Box
from city_platform.store import Store
from city_platform.wave_requests import Answer, Asked, asked_page, is_wave_path, told
from city_platform.wave_store import WaveStore
from edge.uplink import messages as m
from edge.uplink import wire

LATEST = 200
FORM_MOST = 4000
LOOPBACK = ("127.0.0.1", "localhost")
POLICY = "default-src 'self'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){1,4}")
KINDS = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".mp4": "video/mp4",
    ".json": "application/json",
}
HEAD = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>疑似违规 / Suspected</title>
<meta http-equiv="refresh" content="10"><meta name="viewport" content="width=device-width">
<style>body{font:14px sans-serif;margin:1em}table{border-collapse:collapse}td,th{border:1px solid
#bbb;padding:.3em .5em;text-align:left;vertical-align:top}img{height:5em}</style>
<h1>疑似违规 / Suspected violations</h1>"""
COLUMNS = ("收到 / Received (UTC)", "设备 / Device", "类别 / Category", "编号 / Id",
           "开始 / Began (UTC)", "证据 / Evidence")  # fmt: skip


class Page:
    """Serves one store. `connect` makes a store of its own for each request's thread."""

    def __init__(self, connect: Callable[[], Store], port: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """The page of records, those of waves, or one file of evidence."""
                with contextlib.closing(connect()) as store:
                    if self.path == "/":
                        _send(self, Answer(page(store)))
                    elif is_wave_path(self.path):
                        asked = _asked(self)
                        _send(self, asked_page(WaveStore(store.database), asked, time.time()))
                    else:
                        _file(self, store)

            def do_POST(self) -> None:
                """A person's word about a wave; from these pages only, of this machine only."""
                typed = _typed(self)
                if typed is None:
                    self.send_error(HTTPStatus.FORBIDDEN)
                    return
                with contextlib.closing(connect()) as store:
                    _send(self, told(store.database, _asked(self), typed, time.time()))

            def log_message(self, *_: object) -> None:
                """Requests are not worth a line."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def page(store: Store) -> str:
    """The list of the newest records as HTML; reads the store, never writes."""
    found, latest = store.summary(), store.latest(LATEST)
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(found["records"].items()))
    head = (
        f"<p>{html.escape(counts) or '-'}; 文件 / files {found['complete']}/{found['files']};"
        f" 缺号 / gaps {len(found['gaps'])}; 隔离 / quarantined {found['quarantined']}"
        ' · <a href="/waves">软件分批升级 / Software waves</a></p>'
    )
    titles = "".join(f"<th>{column}" for column in COLUMNS)
    rows = "\n".join(_row(store, *one) for one in latest)
    return f"{HEAD}{head}<table><tr>{titles}\n{rows}</table></html>"


def _row(store: Store, box: Box, received: float, payload: bytes) -> str:
    data = msgspec.convert(msgspec.json.decode(payload)["data"], m.ViolationData)
    at = datetime.fromtimestamp(received, timezone.utc).strftime("%F %T")
    name = " / ".join(data.names[language] for language in ("zh", "en") if language in data.names)
    items = [_item(store, box, data, item) for item in data.evidence]
    texts = (at, box.path, name or data.category, f"{data.id} r{data.revision} {data.phase}",
             data.began.utc[:19].replace("T", " "))  # fmt: skip
    cells = "".join(f"<td>{html.escape(text)}" for text in texts)
    return f"<tr>{cells}<td>{' '.join(items)}"


def _item(store: Store, box: Box, data: m.ViolationData, item: m.EvidenceItem) -> str:
    path = wire.evidence_path(data.id, data.revision, item.path)
    role = html.escape(item.role)
    if not store.here(box, path):
        return f"{role} …"
    link = quote(f"/{box.path}/{path}")
    shown = f'<img src="{link}" alt="{role}">' if path.endswith((".jpg", ".png")) else role
    return f'<a href="{link}">{shown}</a>'


def _file(handler: BaseHTTPRequestHandler, store: Store) -> None:
    """A laid out file, or 404: nothing else can be named."""
    path = unquote(handler.path).lstrip("/")
    kind = KINDS.get(PurePosixPath(path).suffix)
    data = store.files.read(path) if kind and FILE.fullmatch(path) else None
    if kind is None or data is None:
        handler.send_error(HTTPStatus.NOT_FOUND)
        return
    _send(handler, Answer(data, kind=kind))


def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    body = answer.body.encode() if isinstance(answer.body, str) else answer.body
    handler.send_response(answer.status)
    if answer.to:
        handler.send_header("Location", answer.to)
    if answer.language:
        handler.send_header("Set-Cookie", f"lang={answer.language}; Path=/; SameSite=Strict")
    handler.send_header("Content-Type", answer.kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("X-Content-Type-Options", "nosniff")
    handler.send_header("Content-Security-Policy", POLICY)
    handler.end_headers()
    handler.wfile.write(body)


def _asked(handler: BaseHTTPRequestHandler) -> Asked:
    headers = handler.headers
    return Asked(handler.path, headers.get("Cookie", ""), headers.get("Accept-Language", ""))


def _typed(handler: BaseHTTPRequestHandler) -> dict[str, str] | None:
    """The form; None where it is none of ours. Another site's form has another origin, and a name
    that was made to point at this machine is not its own."""
    size, host = handler.headers.get("Content-Length", ""), handler.headers.get("Host", "")
    own = handler.headers.get("Origin") == f"http://{host}" and host.partition(":")[0] in LOOPBACK
    if handler.path != "/waves" or not own or not size.isdigit() or int(size) > FORM_MOST:
        return None
    text = handler.rfile.read(int(size)).decode("ascii", "replace")
    try:
        found = parse_qs(text, keep_blank_values=True, max_num_fields=32)
    except ValueError:
        return None
    return {name: values[0] for name, values in found.items()}
