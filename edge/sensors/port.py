# SPDX-License-Identifier: AGPL-3.0-or-later
"""A serial line with exactly one owner: opened exclusively, by a stable name, here or far away."""

from __future__ import annotations

import contextlib
import select
import termios
import time
from pathlib import Path
from typing import Any

import serial

from edge.sensors.maps import Serial

# pyserial raises its own error, the kernel's, or (POSIX only) one of termios that is neither.
TROUBLES = (serial.SerialException, OSError, termios.error)
READ_MAX = 4096
REMOTE_POLL_S = 0.05
# How often a silent native port is looked for in the file system: some drivers never report that
# their adapter was pulled out.
LOOK_EVERY_S = 2.0


class PortGone(Exception):
    """The port cannot be opened or went away; the text says why. Try again."""


class Port:
    """One line. Not thread-safe: the thread that opened it is the only one that touches it.

    `url`: a device path (take /dev/serial/by-id/...), `socket://host:port`, `rfc2217://host:port`.
    """

    def __init__(self, url: str, line: Serial) -> None:
        self.url, self._line = url, line
        self._serial: serial.SerialBase | None = None
        self._target: Path | None = None
        self._looked = 0.0
        self._selectable = True

    @property
    def native(self) -> bool:
        return "://" not in self.url

    def open(self) -> None:
        """Raises PortGone, also where another program holds the port."""
        line = self._line
        rfc2217 = self.url.startswith("rfc2217://")
        options: dict[str, Any] = {"exclusive": True} if self.native else {}
        # pyserial's RFC 2217 client refuses a write timeout, and negotiates the line anew whenever
        # its read timeout is changed.
        options |= {"timeout": REMOTE_POLL_S} if rfc2217 else {"timeout": 0, "write_timeout": 2.0}
        try:
            self._serial = serial.serial_for_url(
                self.url,
                baudrate=line.baud,
                parity=line.parity,
                stopbits=line.stop_bits,
                **options,
            )
        except (*TROUBLES, ValueError) as error:
            raise PortGone(f"{self.url}: {_words(error)}") from None
        self._selectable = not rfc2217
        self._target = Path(self.url).resolve() if self.native else None
        self._looked = time.monotonic()

    def read(self, wait_s: float) -> bytes:
        """What has come, waiting at most `wait_s` for the first byte. Raises PortGone."""
        assert self._serial is not None, "not open"
        try:
            data = self._read_selectable(wait_s) if self._selectable else self._read_polled(wait_s)
        except TROUBLES as error:
            raise PortGone(f"{self.url}: {_words(error)}") from None
        if not data:
            self._look()
        return data

    def _read_selectable(self, wait_s: float) -> bytes:
        line = self._serial
        assert line is not None
        ready, _, _ = select.select([line], [], [], max(0.0, wait_s))
        return bytes(line.read(READ_MAX)) if ready else b""

    def _read_polled(self, wait_s: float) -> bytes:
        """Without a file descriptor: the first byte in small waits, then what lies there."""
        assert self._serial is not None
        deadline = time.monotonic() + wait_s
        while True:
            waiting = int(self._serial.in_waiting)
            if waiting:
                return bytes(self._serial.read(min(waiting, READ_MAX)))
            if time.monotonic() >= deadline:
                return b""
            first = bytes(self._serial.read(1))
            if first:
                rest = int(self._serial.in_waiting)
                return first + bytes(self._serial.read(min(rest, READ_MAX)) if rest else b"")

    def write(self, data: bytes) -> None:
        """Send and wait until the last bit has left (half duplex: the line turns then).
        Raises PortGone where the port is lost."""
        assert self._serial is not None, "not open"
        try:
            self._serial.write(data)
            self._serial.flush()
        except TROUBLES as error:
            raise PortGone(f"{self.url}: {_words(error)}") from None

    def discard(self) -> bytes:
        """Throw away what lies waiting; returns it to be counted. Raises PortGone."""
        return self.read(0.0)

    def close(self) -> None:
        if self._serial is not None:
            with contextlib.suppress(*TROUBLES):
                self._serial.close()
            self._serial = None

    def _look(self) -> None:
        now = time.monotonic()
        if self._target is None or now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        if Path(self.url).resolve() != self._target or not self._target.exists():
            raise PortGone(f"{self.url}: unplugged")


def _words(error: Exception) -> str:
    """One line without Python's decoration."""
    text = " ".join(str(error).split())
    if isinstance(error, serial.SerialException) and "Could not exclusively lock" in text:
        return "another program holds it"
    return text or type(error).__name__
