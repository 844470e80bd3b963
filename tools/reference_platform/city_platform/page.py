# SPDX-License-Identifier: AGPL-3.0-or-later
"""A plain list of what came last, with its pictures. Loopback only: it asks for no password."""

from __future__ import annotations

import contextlib
import html
import re
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from urllib.parse import parse_qs, quote, unquote

import msgspec

from city_platform.files import Box
from city_platform.store import Store
from city_platform.wave_store import NoWave, WaveRow, WaveStore
from city_platform.waves import FAILED, counts
from edge.uplink import messages as m
from edge.uplink import wire

LATEST = 200
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

WAVE_COLUMNS = ("名称 / Name", "版本号 / Release", "状态 / State", "设备 / Boxes",
                "未通过 / Failed", "")  # fmt: skip


class Page:
    """Serves one store. `connect` makes a store of its own for each request's thread."""

    def __init__(self, connect: Callable[[], Store], port: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """The page of records, of waves, or one file of evidence."""
                with contextlib.closing(connect()) as store:
                    if self.path == "/waves":
                        _send(self, wave_page(store).encode(), "text/html; charset=utf-8")
                    elif self.path == "/":
                        _send(self, page(store).encode(), "text/html; charset=utf-8")
                    else:
                        _file(self, store)

            def do_POST(self) -> None:
                with contextlib.closing(connect()) as store:
                    _stop_wave(self, store)

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
    told, latest = store.summary(), store.latest(LATEST)
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(told["records"].items()))
    head = (
        f"<p>{html.escape(counts) or '-'}; 文件 / files {told['complete']}/{told['files']};"
        f" 缺号 / gaps {len(told['gaps'])}; 隔离 / quarantined {told['quarantined']}</p>"
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


def wave_page(store: Store) -> str:
    """Every wave with its boxes by stage; those that failed, and a button that stops it."""
    waves = WaveStore(store.database)
    titles = "".join(f"<th>{column}" for column in WAVE_COLUMNS)
    rows = "\n".join(_wave_row(waves, row) for row in waves.waves())
    return f"{HEAD}<h2>软件升级 / Software waves</h2><table><tr>{titles}\n{rows}</table></html>"


def _wave_row(waves: WaveStore, row: WaveRow) -> str:
    boxes = waves.rows(row.wave)
    by_stage = ", ".join(f"{stage} {n}" for stage, n in sorted(counts(row.wave, boxes).items()))
    failed = "; ".join(f"{b.box.path}: {b.stage} {b.why}" for b in boxes if b.stage in FAILED)[:500]
    texts = (row.wave.name, str(row.wave.number), f"{row.state} {row.why}", by_stage, failed)
    cells = "".join(f"<td>{html.escape(text)}" for text in texts)
    button = f'<button name="wave" value="{html.escape(row.wave.name)}">停止 / Stop</button>'
    form = f'<form method="post" action="/waves">{button}</form>' if row.state == "running" else ""
    return f"<tr>{cells}<td>{form}"


def _stop_wave(handler: BaseHTTPRequestHandler, store: Store) -> None:
    """Only from this page itself: another site's form has another origin."""
    size = handler.headers.get("Content-Length", "")
    own = handler.headers.get("Origin") == f"http://{handler.headers.get('Host')}"
    if handler.path != "/waves" or not own or not size.isdigit() or int(size) > 1000:
        handler.send_error(HTTPStatus.FORBIDDEN)
        return
    name = parse_qs(handler.rfile.read(int(size)).decode("ascii", "replace")).get("wave", [""])[0]
    try:
        with store.database.transaction():
            WaveStore(store.database).stop(name)
    except NoWave:
        handler.send_error(HTTPStatus.NOT_FOUND)
        return
    handler.send_response(HTTPStatus.SEE_OTHER)
    handler.send_header("Location", "/waves")
    handler.end_headers()


def _file(handler: BaseHTTPRequestHandler, store: Store) -> None:
    """A laid out file, or 404: nothing else can be named."""
    path = unquote(handler.path).lstrip("/")
    kind = KINDS.get(PurePosixPath(path).suffix)
    data = store.files.read(path) if kind and FILE.fullmatch(path) else None
    if kind is None or data is None:
        handler.send_error(HTTPStatus.NOT_FOUND)
        return
    _send(handler, data, kind)


def _send(handler: BaseHTTPRequestHandler, body: bytes, kind: str) -> None:
    handler.send_response(HTTPStatus.OK)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("X-Content-Type-Options", "nosniff")
    handler.send_header("Content-Security-Policy", "default-src 'self'; style-src 'unsafe-inline'")
    handler.end_headers()
    handler.wfile.write(body)
