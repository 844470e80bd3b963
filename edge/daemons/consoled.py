# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge-consoled: the page on the box. Unprivileged; reads the others, writes one draft."""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
import time
from asyncio import constants
from asyncio.sslproto import SSLProtocol
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from edge.config import ConfigError
from edge.console.accounts import Accounts
from edge.console.app import make_app
from edge.console.drafts import SiteFile
from edge.console.page_address import PageReach, certificate_names, greeting, is_loopback
from edge.console.page_certificate import own_files, read_certificate
from edge.console.reading import BoxFolders
from edge.console.slow_client_guard import HANDSHAKE_S, GuardedListener, PatientProtocol
from edge.console.web import ConsoleContext
from edge.daemons.apart import python_apart
from edge.daemons.console_services import services
from edge.daemons.page_settings import PageSettings, check_draft, load_page_settings
from edge.ipc import Spool
from edge.runtime import (
    Notify,
    Progress,
    Stop,
    Trouble,
    bound_memory,
    under_systemd,
    write_atomic,
    write_status,
)

log = logging.getLogger(__name__)

TICK_S = 0.5
STATUS_EVERY_S = 5.0
STUCK_S = 40.0
MAKE_S = 60.0
# Each connection over TLS holds a buffer of its own: asyncio's are 256 KiB, and every browser opens
# six. A record of TLS has 16 KiB at most (RFC 8446, 5.1).
TLS_BUFFER_BYTES = 16 * 1024


def main(stop: Stop, notify: Notify, *, site_path: str | Path, device_path: str | Path) -> int:
    """Serve until stopped. Raises ConfigError where the address cannot be had."""
    # Its threads mostly wait: heaps of their own would be five megabytes of holes.
    bound_memory(arenas=1)
    settings = load_page_settings(Path(site_path), Path(device_path))
    console = build(settings, Path(site_path), Path(device_path))
    server, thread = _serve(console, settings)
    progress = Progress(notify)
    progress.register("page", STUCK_S)
    screen = BoxScreen(settings.run / "page.issue")
    _greet(console)
    notify.ready("page is up")
    reported_mono, spool = -STATUS_EVERY_S, Spool(settings.run, "consoled")
    trouble = Trouble(log)
    while not stop.wait(TICK_S) and thread.is_alive():
        # A disk that cannot be written or a process out of files ends no page: people need it then.
        with _forgiven(trouble, "requests"):
            if any(request["kind"] == "restart" for request in spool.take()):
                log.info("asked to start again")
                break
        progress.mark("page")
        progress.feed()
        if time.monotonic() - reported_mono >= STATUS_EVERY_S:
            reported_mono = time.monotonic()
            with _forgiven(trouble, "status"):
                write_status(settings.run, "consoled", {"fresh": console.accounts.fresh})
                screen.show(console.reach, console.accounts.first_code)
    server.should_exit = True
    thread.join(10.0)
    return 0


@contextlib.contextmanager
def _forgiven(trouble: Trouble, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        trouble.failed(what, str(error))
    else:
        trouble.healed(what)


def build(settings: PageSettings, site_path: Path, device_path: Path) -> ConsoleContext:
    """The page's parts for one box."""
    facts = settings.device.console
    reach = page_reach(settings)
    return ConsoleContext(
        accounts=Accounts(settings.state / "console", session_s=facts.session_s),
        reading=BoxFolders(settings.state, settings.run),
        site=SiteFile(
            site_path,
            lambda draft: check_draft(draft, device_path),
            settings.state / "console" / "saves.jsonl",
        ),
        services=services(settings, site_path.resolve().parent),
        reach=reach,
        tls=reach.certificate is not None,
        metrics_open=facts.metrics == "open",
        flights_mb=settings.device.keep.flights_mb,
        floor_mb=settings.device.keep.floor_mb,
    )


def page_reach(settings: PageSettings) -> PageReach:
    """Where the page listens and with which certificate; the box's own is made where it is missing.

    Raises ConfigError for a certificate that cannot be used.
    """
    facts = settings.device.console
    if facts.tls_cert is None and is_loopback(facts.host):
        return PageReach(facts.host, facts.port, None)
    if facts.tls_cert is not None:
        files = (settings.base / facts.tls_cert, settings.base / (facts.tls_key or facts.tls_cert))
    else:
        files = own_files(settings.state)
        _make_own(files[0])
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*files)
        certificate = read_certificate(*files)
    except (OSError, ValueError) as error:
        raise ConfigError(f"console.tls_cert = {str(files[0])!r}, tls_key: {error}") from None
    return PageReach(facts.host, facts.port, certificate)


def _make_own(cert: Path) -> None:
    if cert.exists():
        return
    words = ["edge.console.page_certificate", str(cert.parent), *certificate_names()]
    done = python_apart(words, "making the page's certificate", limit_s=MAKE_S)
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise ConfigError(f"the page's own certificate in {cert.parent}: {last}")


def server_config(console: ConsoleContext, settings: PageSettings) -> uvicorn.Config:
    """How the page is served."""
    facts, certificate = settings.device.console, console.reach.certificate
    SSLProtocol.max_size = TLS_BUFFER_BYTES
    # uvicorn has no setting for it, and asyncio waits for a minute.
    constants.SSL_HANDSHAKE_TIMEOUT = HANDSHAKE_S
    return uvicorn.Config(
        make_app(console),
        host=facts.host,
        port=facts.port,
        ssl_certfile=certificate.cert if certificate else None,
        ssl_keyfile=certificate.key if certificate else None,
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
        listener = GuardedListener(facts.host, facts.port)
    except OSError as error:
        raise ConfigError(
            f"console.host:port = {facts.host}:{facts.port}: {error.strerror}"
        ) from None
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="page", daemon=True
    )
    thread.start()
    return server, thread


def _greet(console: ConsoleContext) -> None:
    """On a terminal all that one needs to come in. The journal is kept and goes to the platform
    when it asks for logs: there it is the address, and where the code stands."""
    accounts = console.accounts
    if not under_systemd():
        log.info("\n%s", "\n".join(greeting(console.reach, accounts.first_code)))
        return
    log.info("the page is at %s", " ".join(console.reach.urls()))
    if accounts.fresh:
        log.info("first use: the code is in %s (edge code shows it)", accounts.code_file)


class BoxScreen:
    """What a screen on the box shows above its login prompt (issue.d of agetty(8)): whoever stands
    there may come in. The file has the code in it and is root's and ours to read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shown: tuple[tuple[str, ...], str | None] | None = None

    def show(self, reach: PageReach, code: str | None) -> None:
        """Writes where something has changed; only a box under systemd has such a screen."""
        facts = (tuple(reach.urls()), code)
        if facts == self._shown or not under_systemd():
            return
        self._shown = facts
        # A backslash is an escape of agetty's; the text console has no Chinese letters.
        lines = (_english(line).replace("\\", "") for line in greeting(reach, code))
        write_atomic(self._path, "\n".join(["", *lines, "", ""]).encode())
        self._path.chmod(0o600)


def _english(line: str) -> str:
    """A line of the greeting without its Chinese half."""
    words, mark, rest = line.partition(": ")
    half = words.partition(" / ")[0]
    return f"{half}{mark}{rest.partition(' / ')[0]}"
