# SPDX-License-Identifier: AGPL-3.0-or-later
"""What every daemon's main needs: logging, stop, sd_notify, progress watchdog, stats, retry."""

from __future__ import annotations

import _thread
import ctypes
import errno
import json
import logging
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge.config import ConfigError

log = logging.getLogger("edge")

STATS_EVERY_S = 60.0


class Backoff:
    """Full-jitter delays: uniform(0, min(cap, first * 2**n)); reset once the thing is stable."""

    def __init__(self, *, first_s: float = 1.0, cap_s: float = 60.0) -> None:
        self._first_s, self._cap_s, self._n = first_s, cap_s, 0

    def next_s(self) -> float:
        ceiling = min(self._cap_s, self._first_s * 2.0 ** min(self._n, 30))
        self._n += 1
        return random.uniform(0.0, ceiling)

    def reset(self) -> None:
        self._n = 0


class Trouble:
    """Logs the first failure of a kind as WARNING, repeats as DEBUG, and the recovery once."""

    def __init__(self, logger: logging.Logger) -> None:
        self._log, self._open = logger, set[str]()

    def failed(self, what: str, text: str) -> bool:
        """True where this is the first failure since the last recovery."""
        first = what not in self._open
        self._open.add(what)
        self._log.log(logging.WARNING if first else logging.DEBUG, "%s: %s", what, text)
        return first

    def healed(self, what: str) -> bool:
        """True where `what` had failed before."""
        if what not in self._open:
            return False
        self._open.discard(what)
        self._log.info("%s: well again", what)
        return True


class Stop:
    """The one stop event of a process; SIGTERM and SIGINT set it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep that ends early at stop; true once stopping."""
        return self._event.wait(max(0.0, seconds))

    def on_signals(self) -> None:
        """SIGTERM and SIGINT set it, by a thread of their own: a handler may interrupt the very
        wait that holds the lock of the event, and would wait for that lock for ever."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)

    def _signalled(self, *_: object) -> None:
        # threading.Thread takes locks of its own, which may be held here, too.
        _thread.start_new_thread(self.set, ())


class Notify:
    """sd_notify(3): one datagram to $NOTIFY_SOCKET; silent where systemd is not the parent."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._path = "\0" + path[1:] if path.startswith("@") else path

    def send(self, *lines: str) -> None:
        """Tell systemd, such as `READY=1`, where it listens; a lost message is logged."""
        if not self._path:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            try:
                sock.sendto("\n".join(lines).encode(), self._path)
            except OSError as error:
                log.debug("sd_notify: %s", error)

    def ready(self, status: str) -> None:
        self.send("READY=1", f"STATUS={status}")

    def stopping(self) -> None:
        self.send("STOPPING=1")


class Progress:
    """Feeds the watchdog from work, never from a timer: every registered loop must have moved.

    A loop calls `mark(name)` when it did something or found nothing to do. `feed()` pings systemd
    only while no loop is older than its limit; a frozen loop therefore restarts the process.
    """

    def __init__(self, notify: Notify, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._notify, self._now = notify, monotonic
        self._seen: dict[str, tuple[float, float]] = {}
        self._fed = -1e9

    def register(self, name: str, limit_s: float) -> None:
        self._seen[name] = (self._now(), limit_s)

    def mark(self, name: str) -> None:
        self._seen[name] = (self._now(), self._seen[name][1])

    def stuck(self) -> list[str]:
        now = self._now()
        return [name for name, (at, limit_s) in self._seen.items() if now - at > limit_s]

    def feed(self) -> bool:
        """Ping at most once a second; false where a loop is stuck: without
        pings systemd restarts the daemon."""
        if self.stuck():
            return False
        now = self._now()
        if now - self._fed >= 1.0:
            self._fed = now
            self._notify.send("WATCHDOG=1")
        return True


class Stats:
    """Counters of one daemon and the one line a minute that logs them: `stats cam=a read=9.9`."""

    def __init__(self, logger: logging.Logger, *, every_s: float = STATS_EVERY_S) -> None:
        self._log, self._every_s, self._reported_mono = logger, every_s, time.monotonic()

    def report(self, fields: Callable[[float], list[dict[str, Any]]]) -> bool:
        """Log one line for each dict that `fields(seconds since the last time)` gives, when due."""
        now = time.monotonic()
        elapsed = now - self._reported_mono
        if elapsed < self._every_s:
            return False
        self._reported_mono = now
        for row in fields(elapsed):
            self._log.info("stats %s", " ".join(f"{key}={_short(row[key])}" for key in row))
        return True


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def no_room(error: OSError) -> bool:
    """Whether a file system has no room, quota or inodes left: that goes away again, and is no
    bug of whoever meets it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace `path` so that a reader sees the old or the new bytes, never a mixture.

    durable: survives a power cut once it returns (file and folder fsynced); off for /run.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with partial.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        # On a full disk it would take what little room there is, and no later call has its name.
        partial.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """mkdir -p whose new names survive a power cut: each is fsynced in the folder it lies in."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(missing):
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that names created or renamed in it survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_status(run: Path, daemon: str, status: Mapping[str, Any]) -> None:
    """`run/status/NAME.json`: how other daemons and the console see this one."""
    folder = run / "status"
    folder.mkdir(parents=True, exist_ok=True)
    body = {"daemon": daemon, "pid": os.getpid(), "wall": time.time(), **status}
    # Texts of errors name files, whatever these are called.
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    data = text.encode(errors="replace")
    try:
        write_atomic(folder / f"{daemon}.json", data, durable=False)
    except OSError as error:
        # An old status is shown as old; no daemon ends because it could not say how it is.
        if not no_room(error):
            raise


def under_systemd() -> bool:
    """Whether what is logged goes to the journal, and not to a terminal or a file."""
    return "JOURNAL_STREAM" in os.environ


_LAYOUT = "%(levelname)s %(name)s %(message)s"
# Levels of syslog (RFC 5424, 6.2.1), which journald keeps (sd-daemon(3), SyslogLevelPrefix=).
_SYSLOG = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class _ForJournal(logging.Formatter):
    """Each line with its level in front, a traceback's too: `journalctl -p err` finds them."""

    def format(self, record: logging.LogRecord) -> str:
        number = next((priority for least, priority in _SYSLOG if record.levelno >= least), 7)
        return "\n".join(f"<{number}>{line}" for line in super().format(record).split("\n"))


def set_up_logging(level: str = "INFO") -> None:
    """Plain lines on stderr; journald adds the time, so it is left out under systemd."""
    handler = logging.StreamHandler(sys.stderr)
    if under_systemd():
        handler.setFormatter(_ForJournal(_LAYOUT))
    else:
        plain = logging.Formatter(f"%(asctime)s {_LAYOUT}", datefmt="%Y-%m-%dT%H:%M:%S")
        handler.setFormatter(plain)
    logging.basicConfig(level=level, handlers=[handler], force=True)


ThreadBug = Callable[[str, Exception], bool]
_thread_bug_taken: ThreadBug = lambda name, error: False  # noqa: E731


# Of glibc's malloc.h: what mallopt is to set.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
# A picture of 1080p takes 6 MB, a plane of it 2 MB: such memory goes back once it is freed.
LARGE_BYTES, ARENAS = 1_000_000, 2
# The most that glibc takes for the first (DEFAULT_MMAP_THRESHOLD_MAX), a picture of 4K in BGR.
MMAP_MOST, KEPT_BYTES = 32 * 2**20, 64 * 2**20


def bound_memory(arenas: int = ARENAS) -> None:
    """Keep freed memory from being kept. To be called before threads are started.

    glibc gives every thread a heap of its own and, once a picture was freed, serves the next ones
    from those heaps, where they leave holes: one camera grew from 310 to 490 MB in two minutes.
    arenas: heaps that all threads share. Only the GNU C library has this function.
    """
    _set_allocator({_MMAP_THRESHOLD: LARGE_BYTES, _TRIM_THRESHOLD: LARGE_BYTES, _ARENA_MAX: arenas})


def reuse_memory() -> None:
    """Keep freed memory for the next picture, for a process that looks at one after the other of
    one recording: the kernel would clear 2.7 MB for each of 720p anew, page by page, which costs
    half as much as decoding it."""
    _set_allocator({_MMAP_THRESHOLD: MMAP_MOST, _TRIM_THRESHOLD: KEPT_BYTES})


def _set_allocator(values: Mapping[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in values.items():
            mallopt(parameter, value)


def give_back_memory() -> None:
    """Return to the kernel what is free between pieces that are kept: packets and pictures come and
    go beside them, and four cameras held 29 MB so. Only the GNU C library keeps it, and only it has
    this function; it takes some milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def on_thread_bug(taken: ThreadBug) -> None:
    """Asks `taken` (name of the thread, error) before a bug in a thread ends the process: true
    where only what the thread served is given up (edge.isolation)."""
    global _thread_bug_taken
    _thread_bug_taken = taken


def _thread_bug(args: threading.ExceptHookArgs) -> None:
    """A bug in any thread ends the process at once: the others would wait for the dead one.

    Nothing is tidied up; everything durable is made to survive a kill -9 at any line.
    """
    name, taken = args.thread.name if args.thread else "?", False
    try:
        taken = isinstance(args.exc_value, Exception) and _thread_bug_taken(name, args.exc_value)
    finally:
        # Also where the asking itself is a bug: a daemon without one of its threads is deaf.
        if not taken:
            said = "thread %s stopped by a bug; systemd starts again"
            log.error(said, name, exc_info=args.exc_value)
            logging.shutdown()
            os._exit(1)


def run(main: Callable[[Stop, Notify], int]) -> int:
    """Run a daemon's main: 0 stopped in order, 1 a bug (logged, systemd restarts), 2 bad config."""
    set_up_logging(os.environ.get("EDGE_LOG", "INFO"))
    stop, notify = Stop(), Notify()
    stop.on_signals()
    threading.excepthook = _thread_bug
    try:
        return main(stop, notify)
    except ConfigError as error:
        log.error("%s", error)
        return 2
    except Exception:
        log.exception("stopped by a bug; systemd starts it again")
        return 1
    finally:
        notify.stopping()
