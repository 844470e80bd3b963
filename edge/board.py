# SPDX-License-Identifier: AGPL-3.0-or-later
"""The board under the box: Raspberry Pi, Jetson or PC; temperature, throttling, power, storage.

Everything is read from files (sysfs, procfs), so a test gives a folder in place of "/". What a
board does not tell is None, never a guess. Nothing here was run on a Pi or a Jetson yet: the file
names and bits are from their documentation (docs/boards.md).
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["raspberry-pi", "jetson", "pc"]

# Raspberry Pi firmware, get_throttled: what is so now (bits 0-3), what was since boot (16-19).
PI_BITS = {0: "under_voltage", 1: "frequency_capped", 2: "throttled", 3: "soft_temperature_limit"}
PI_SINCE_BOOT = 16


@dataclass(frozen=True, slots=True)
class BoardState:
    """One look at the board. `troubles` are words of docs/operations.md that hold now."""

    kind: Kind
    model: str
    temperature_c: float | None
    troubles: tuple[str, ...]
    since_boot: tuple[str, ...]
    load: float
    memory_free_mb: int | None
    uptime_s: float | None


class Board:
    """Reads the board's state. `root` stands in for "/" in tests."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self.model = _text(root / "proc/device-tree/model").rstrip("\0") or _pc_name(root)
        self.kind = kind_of(self.model)

    def look(self) -> BoardState:
        """Everything that the board tells now; what it does not tell is None, never guessed."""
        now, since_boot = self._throttling()
        return BoardState(
            kind=self.kind,
            model=self.model,
            temperature_c=self._temperature(),
            troubles=now,
            since_boot=since_boot,
            load=os.getloadavg()[0],
            memory_free_mb=self._memory_free_mb(),
            uptime_s=_number(_text(self._root / "proc/uptime").split(" ")[0]),
        )

    def _temperature(self) -> float | None:
        """The hottest thermal zone; sysfs gives thousandths of a degree."""
        zones = self._root.glob("sys/class/thermal/thermal_zone*/temp")
        found = [_number(_text(path)) for path in zones]
        # Zones of switched-off parts read 0 or below; none of them is the hottest anyway.
        known = [value / 1000.0 for value in found if value is not None and value > -40_000]
        return max(known) if known else None

    def _throttling(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if self.kind == "raspberry-pi":
            return pi_troubles(self._pi_bits())
        if self.kind == "jetson":
            return jetson_troubles(self._root), ()
        return (), ()

    def _pi_bits(self) -> int | None:
        path = self._root / "sys/devices/platform/soc/soc:firmware/get_throttled"
        answer = _text(path)
        if not answer and self._root == Path("/"):
            answer = _vcgencmd()
        try:
            return int(answer, 16) if answer else None
        except ValueError:
            return None

    def _memory_free_mb(self) -> int | None:
        for line in _text(self._root / "proc/meminfo").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
        return None


def kind_of(model: str) -> Kind:
    """The kind of board that the device tree's model line names; `pc` for any other."""
    if "Raspberry Pi" in model:
        return "raspberry-pi"
    if "NVIDIA" in model or "Jetson" in model:
        return "jetson"
    return "pc"


def pi_troubles(bits: int | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(what holds now, what was so since boot) from the firmware's bits."""
    if bits is None:
        return (), ()
    now = tuple(name for bit, name in PI_BITS.items() if bits >> bit & 1)
    past = tuple(name for bit, name in PI_BITS.items() if bits >> (bit + PI_SINCE_BOOT) & 1)
    return now, past


def jetson_troubles(root: Path) -> tuple[str, ...]:
    """Cooling devices of the thermal framework that are at work (cur_state above 0)."""
    busy = []
    for folder in sorted(root.glob("sys/class/thermal/cooling_device*")):
        kind = _text(folder / "type").strip()
        state = _number(_text(folder / "cur_state"))
        if state and "fan" not in kind:
            busy.append(kind)
    return ("throttled",) if busy else ()


def processor_time(root: Path = Path("/")) -> tuple[float, float] | None:
    """Time at work and in all, of all processors since boot, in the kernel's ticks; None where it
    does not say (proc(5), /proc/stat)."""
    words = _text(root / "proc/stat").partition("\n")[0].split()
    ticks = [_number(word) for word in words[1:9]]
    known = [one for one in ticks if one is not None]
    if words[:1] != ["cpu"] or len(known) < 5:
        return None
    idle = known[3] + known[4]
    return sum(known) - idle, sum(known)


@dataclass(frozen=True, slots=True)
class Storage:
    """Room on the file system of one folder, and whether it can be written."""

    path: Path
    free_mb: int
    writable: bool


def storage(path: Path) -> Storage:
    """Raises FileNotFoundError. A read-only file system is found by its mount flag."""
    facts = os.statvfs(path)
    readonly = bool(facts.f_flag & os.ST_RDONLY) or not os.access(path, os.W_OK)
    return Storage(
        path,
        facts.f_bavail * facts.f_frsize // 1_000_000,
        not readonly,
    )


def _vcgencmd() -> str:
    try:
        done = subprocess.run(
            ["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=2, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.partition("=")[2].strip()


def _pc_name(root: Path) -> str:
    return _text(root / "sys/class/dmi/id/product_name").strip() or "PC"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(text: str) -> float | None:
    try:
        return float(text.strip())
    except ValueError:
        return None
