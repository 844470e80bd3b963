# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge-consoled: the page on the box. Unprivileged; reads the others, writes one draft."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from pathlib import Path

import uvicorn

from edge.config import ConfigError
from edge.console.accounts import Accounts
from edge.console.app import make_app
from edge.console.drafts import SiteFile
from edge.console.reading import BoxFolders
from edge.console.slow_client_guard import PatientProtocol
from edge.console.web import ConsoleContext
from edge.daemons.console_services import services
from edge.daemons.page_settings import PageSettings, check_draft, load_page_settings
from edge.ipc import Spool
from edge.runtime import Notify, Progress, Stop, under_systemd, write_status

log = logging.getLogger(__name__)

TICK_S = 0.5
STATUS_EVERY_S = 5.0
STUCK_S = 40.0


def main(stop: Stop, notify: Notify, *, site_path: str | Path, device_path: str | Path) -> int:
    """Serve until stopped. Raises ConfigError where the address cannot be had."""
    settings = load_page_settings(Path(site_path), Path(device_path))
    console = build(settings, Path(site_path), Path(device_path))
    server, thread = _serve(console, settings)
    progress = Progress(notify)
    progress.register("page", STUCK_S)
    _greet(console, settings)
    notify.ready("page is up")
    reported_mono, spool = -STATUS_EVERY_S, Spool(settings.run, "consoled")
    while not stop.wait(TICK_S) and thread.is_alive():
        if any(request["kind"] == "restart" for request in spool.take()):
            log.info("asked to start again")
            break
        progress.mark("page")
        progress.feed()
        if time.monotonic() - reported_mono >= STATUS_EVERY_S:
            reported_mono = time.monotonic()
            write_status(settings.run, "consoled", {"fresh": console.accounts.fresh})
    server.should_exit = True
    thread.join(10.0)
    return 0


def build(settings: PageSettings, site_path: Path, device_path: Path) -> ConsoleContext:
    """The page's parts for one box."""
    facts = settings.device.console
    return ConsoleContext(
        accounts=Accounts(settings.state / "console", session_s=facts.session_s),
        reading=BoxFolders(settings.state, settings.run),
        site=SiteFile(site_path, lambda draft: check_draft(draft, device_path)),
        services=services(settings, site_path.resolve().parent),
        tls=facts.tls_cert is not None,
        metrics_open=facts.metrics == "open",
        flights_mb=settings.device.keep.flights_mb,
        floor_mb=settings.device.keep.floor_mb,
    )


def server_config(console: ConsoleContext, settings: PageSettings) -> uvicorn.Config:
    """How the page is served. Raises ConfigError for a certificate that cannot be used."""
    facts = settings.device.console
    cert, key = (settings.base / name if name else None for name in (facts.tls_cert, facts.tls_key))
    if cert is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
        except OSError as error:
            raise ConfigError(f"console.tls_cert = {str(cert)!r}, tls_key: {error}") from None
    return uvicorn.Config(
        make_app(console),
        host=facts.host,
        port=facts.port,
        ssl_certfile=cert,
        ssl_keyfile=key,
        log_level="warning",
        server_header=False,
        access_log=False,
        # X-Forwarded-For is anybody's to write: who is locked out would be somebody else.
        proxy_headers=bool(facts.proxies),
        forwarded_allow_ips=list(facts.proxies),
        timeout_keep_alive=10,
        http=PatientProtocol,
        ws="none",
        h11_max_incomplete_event_size=64 * 1024,
        lifespan="off",
    )


def _serve(
    console: ConsoleContext, settings: PageSettings
) -> tuple[uvicorn.Server, threading.Thread]:
    """uvicorn in a thread: the main thread keeps signals, watchdog and status."""
    facts = settings.device.console
    server = uvicorn.Server(server_config(console, settings))
    try:
        listener = socket.create_server((facts.host, facts.port))
    except OSError as error:
        raise ConfigError(
            f"console.host:port = {facts.host}:{facts.port}: {error.strerror}"
        ) from None
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="page", daemon=True
    )
    thread.start()
    return server, thread


def _greet(console: ConsoleContext, settings: PageSettings) -> None:
    facts = settings.device.console
    scheme = "https" if facts.tls_cert else "http"
    log.info("the page is at %s://%s:%d/", scheme, facts.host, facts.port)
    if not console.accounts.fresh:
        return
    if under_systemd():
        # The journal is kept and goes to the platform when it asks for logs.
        log.info("first use: the code is in %s", console.accounts.code_file)
    else:
        log.info("first use: open it and enter the code %s", console.accounts.first_code)
