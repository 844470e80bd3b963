# SPDX-License-Identifier: AGPL-3.0-or-later
"""Clocks as a parameter: what the time is, how far the wall clock can be trusted, and what a text
from outside says of it."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import re
import time
from datetime import date, datetime, tzinfo
from typing import Protocol

from edge.patterns import DATE
from edge.values import ClockQuality, Stamp

STA_UNSYNC = 0x40
# Qualities of a clock that somebody has set: its date holds.
SET_CLOCKS = frozenset({"ntp", "gnss", "holdover"})
UNKNOWN_ERROR_MS = 16_000.0


_INSTANT = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


def instant(text: str, zone: tzinfo | None = None) -> datetime:
    """A date, or a date and time, of ISO 8601 (RFC 3339, xsd:dateTime); in `zone` where it names
    none. Raises ValueError.

    The same on every Python: 3.10's own reader knows no Z, no zone without a colon and fractions
    of three or six digits only. Below a microsecond is cut off.
    """
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no date and time")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    digits = (fraction or "")[:6].ljust(6, "0")
    whole = f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{second or '00'}.{digits}"
    at = datetime.fromisoformat(whole + _offset(offset or ""))
    return at if at.tzinfo else at.replace(tzinfo=zone)


def calendar_day(text: str) -> date:
    """A day as YYYY-MM-DD (ISO 8601, 5.2.2.1, extended format). Raises ValueError for all else.

    Days are kept and compared as text, so one spelling only may stand: from Python 3.11 on its
    own reader also takes 20260501 and 2026-W18-5, which come before every 2026-05-01 as text.
    """
    if not re.search(DATE, text):
        raise ValueError(f"{text!r} is no day as YYYY-MM-DD")
    return date.fromisoformat(text)


def _offset(text: str) -> str:
    """As every Python reads it: +08, +0800 and Z too."""
    if text in ("", "Z", "z"):
        return "+00:00" if text else ""
    return f"{text[:3]}:{text[3:].removeprefix(':') or '00'}"


class Clock(Protocol):
    """Where the shell takes time from; the pure code gets a Stamp as an argument."""

    def now(self) -> Stamp: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The board's clocks. The kernel is asked about synchronisation at most once a second."""

    def __init__(self) -> None:
        self._asked = -10.0
        self._trust: tuple[ClockQuality, float] = ("unsynced", UNKNOWN_ERROR_MS)

    def now(self) -> Stamp:
        mono = time.monotonic()
        if mono - self._asked > 1.0:
            self._trust, self._asked = kernel_trust(), mono
        return Stamp(mono, time.time(), *self._trust)

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), padded generously so that the kernel never writes past it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


@functools.cache
def _c_library() -> ctypes.CDLL | None:
    """Found once: each search starts a process (ldconfig)."""
    name = ctypes.util.find_library("c")
    return None if name is None else ctypes.CDLL(name)


def kernel_trust() -> tuple[ClockQuality, float]:
    """(quality, error bound in ms) by adjtimex(2), which needs no privilege to read."""
    library, timex = _c_library(), _Timex()
    if library is None or library.adjtimex(ctypes.byref(timex)) < 0:
        return "unsynced", UNKNOWN_ERROR_MS
    error_ms = timex.maxerror / 1000.0
    return ("unsynced" if timex.status & STA_UNSYNC else "ntp"), error_ms
