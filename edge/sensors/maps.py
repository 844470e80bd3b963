# SPDX-License-Identifier: AGPL-3.0-or-later
"""Register maps and line patterns: an instrument as one YAML file (config/sensors/*.yaml)."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge.config import ConfigError, convert, read_yaml
from edge.config.shipped import PLACES
from edge.config.site import Part, Positive
from edge.patterns import whole
from edge.sensors.frames import InstrumentValue

Register = Annotated[
    str, msgspec.Meta(pattern=whole(r"0[xX][0-9a-fA-F]{1,4}"), examples=["0x01F4"])
]
RawHex = Annotated[str, msgspec.Meta(pattern=whole("0[xX][0-9a-fA-F]{1,8}"), examples=["0x7FFF"])]
Address = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
Channel = Annotated[
    str, msgspec.Meta(pattern=whole(r"[A-Za-z][A-Za-z0-9_.-]{0,31}"), examples=["PM10"])
]
Type = Literal["u16", "s16", "u32", "s32", "f32", "bit"]
WORDS: dict[Type, int] = {"u16": 1, "s16": 1, "u32": 2, "s32": 2, "f32": 2, "bit": 1}
_FORMATS: dict[Type, str] = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "f32": ">f"}
# A request of the longest kind that every instrument is known to answer.
BLOCK_MAX = 60
# Where maps lie: beside the site file first, then these.
FOLDERS = (Path("/etc/edge/sensors"), *(place / "config" / "sensors" for place in PLACES))


class Serial(Part, frozen=True, kw_only=True):
    """How the line is set. `turnaround_s`: silence between an answer and the next request."""

    baud: Annotated[int, msgspec.Meta(ge=300, le=4_000_000)] = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=30)] = 0.5
    turnaround_s: Annotated[float, msgspec.Meta(ge=0, le=5)] = 0.05


class Entry(Part, frozen=True, kw_only=True):
    """One channel of a Modbus instrument: value = raw * scale + offset.

    function 3: holding registers, 4: input registers. `words`: which of two registers comes
    first; `bytes`: the order in each register. `absent`: raw values that mean "no value".
    A value outside `range` is flagged over_range and never judged.
    """

    channel: Channel
    function: Literal[3, 4] = 3
    address: Address | Register
    type: Type = "u16"
    bit: Annotated[int, msgspec.Meta(ge=0, le=15)] = 0
    words: Literal["big", "little"] = "big"
    bytes: Literal["big", "little"] = "big"
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    range: tuple[float, float] | None = None
    absent: tuple[int | RawHex, ...] = ()

    @property
    def none(self) -> frozenset[int]:
        """The raw values that mean "no value"."""
        return frozenset(v if isinstance(v, int) else int(v, 16) for v in self.absent)

    @property
    def at(self) -> int:
        """The register's number."""
        return self.address if isinstance(self.address, int) else int(self.address, 16)

    @property
    def size(self) -> int:
        return WORDS[self.type]


class LineChannel(Part, frozen=True, kw_only=True):
    """A named group of the pattern and what it means."""

    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    range: tuple[float, float] | None = None


class Map(Part, frozen=True, kw_only=True):
    """The whole file. `registers` for kind modbus; `pattern`, `channels` and texts for kind line.

    first: the number that the maker prints for the first register of all: 0, 1, 30001, 40001.
    start, stop: sent when the port is opened (start after silence, too) and closed; ask: sent every
    `every_s` (empty: the instrument talks by itself). Texts may use \\r and \\n.
    """

    name: str
    kind: Literal["modbus", "line"]
    note: str = ""
    serial: Serial = Serial()
    every_s: Positive = 1.0
    address: Annotated[int, msgspec.Meta(ge=1, le=247)] = 1
    first: Literal[0, 1, 30001, 40001] = 0
    registers: tuple[Entry, ...] = ()
    pattern: str = ""
    channels: dict[Channel, LineChannel] = {}
    checksum: Literal["none", "xor", "sum"] = "none"
    encoding: Literal["ascii", "utf-8", "gb18030"] = "ascii"
    start: str = ""
    stop: str = ""
    ask: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Registers read by one request."""

    function: int
    start: int
    count: int


def load_map(name: str, *, beside: Path | None = None, where: str = "map") -> Map:
    """A map by file or by name. Raises ConfigError naming where it was looked for."""
    path = find_map(name, beside=beside, where=where)
    found = _counted(convert(read_yaml(path), Map, str(path)), path)
    _check(found, path)
    return found


def _counted(found: Map, path: Path) -> Map:
    """The map with its registers as they go over the wire, counted from nought."""
    for entry in found.registers:
        if entry.at < found.first:
            text = f"before the first register, {found.first}"
            raise ConfigError(f"{path}: {entry.channel}: address {entry.address} lies {text}")
    registers = tuple(
        msgspec.structs.replace(entry, address=entry.at - found.first) for entry in found.registers
    )
    return msgspec.structs.replace(found, registers=registers)


def find_map(name: str, *, beside: Path | None = None, where: str = "map") -> Path:
    """`name` as a path, or NAME.yaml beside the site file or in the standard folders.
    Raises ConfigError naming the file or option that is wrong."""
    folders = ([beside, beside / "sensors"] if beside else []) + list(FOLDERS)
    tries = [Path(name), *(folder / f"{name}.yaml" for folder in folders)]
    tries += [beside / name] if beside else []
    for path in tries:
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in known_maps()))
    raise ConfigError(f"{where} = {name!r}: no such map (known: {known}; or give a file)")


def known_maps() -> Iterator[Path]:
    """The map files that come with the software or lie in the system's folders."""
    for folder in FOLDERS:
        yield from sorted(folder.glob("*.yaml"))


def map_names(beside: Path | None = None) -> dict[str, Map]:
    """The maps that can be had by name: those beside the site file first. A broken one of
    somebody's own is left out; who names it is told what is wrong with it."""
    folders = [beside, beside / "sensors"] if beside else []
    found: dict[str, Map] = {}
    for path in [*(p for folder in folders for p in sorted(folder.glob("*.yaml"))), *known_maps()]:
        with suppress(ConfigError):
            found.setdefault(path.stem, load_map(str(path)))
    return found


def _check(found: Map, path: Path) -> None:
    if found.kind == "modbus" and not found.registers:
        raise ConfigError(f"{path}: registers: a modbus map needs at least one")
    if found.kind == "line":
        _check_pattern(found, path)
    names = [entry.channel for entry in found.registers]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"{path}: registers: channel {sorted(twice)[0]!r} stands twice")
    for entry in found.registers:
        if entry.at + entry.size > 0x10000:
            raise ConfigError(f"{path}: {entry.channel}: address {entry.address} is past 0xffff")
        _check_range(entry.range, f"{path}: {entry.channel}")
        _check_absent(entry, f"{path}: {entry.channel}")


def _check_absent(entry: Entry, where: str) -> None:
    """A value that the type cannot hold would never match: "no value" would become a value."""
    if entry.type == "f32":
        return
    size = 1 if entry.type == "bit" else 16 * entry.size
    low, high = (-(1 << (size - 1)) if entry.type in ("s16", "s32") else 0), (1 << size) - 1
    wrong = [value for value in sorted(entry.none) if not low <= value <= high]
    if wrong:
        raise ConfigError(f"{where}: absent = {wrong[0]}: {entry.type} holds {low} to {high}")


def _check_pattern(found: Map, path: Path) -> None:
    try:
        groups = re.compile(found.pattern).groupindex
    except re.error as error:
        raise ConfigError(f"{path}: pattern = {found.pattern!r}: {error}") from None
    missing = [name for name in found.channels if group_name(name) not in groups]
    if missing or not found.channels:
        missed = f"no group (?P<{group_name(missing[0])}>...)" if missing else "no channels"
        raise ConfigError(f"{path}: pattern = {found.pattern!r}: {missed}")
    for name, channel in found.channels.items():
        _check_range(channel.range, f"{path}: {name}")


def _check_range(limits: tuple[float, float] | None, where: str) -> None:
    if limits is not None and limits[0] >= limits[1]:
        raise ConfigError(f"{where}: range = {list(limits)}: the first must be the smaller")


def group_name(channel: str) -> str:
    """The regular expression's group for a channel: letters, digits and underscores only."""
    return re.sub(r"\W", "_", channel)


def blocks(registers: tuple[Entry, ...]) -> tuple[Block, ...]:
    """Requests that read all registers: neighbours together, never over a hole.

    Many instruments answer a request that touches an unused register with an exception.
    """
    found: list[Block] = []
    for entry in sorted(registers, key=lambda e: (e.function, e.at)):
        last = found[-1] if found else None
        end = entry.at + entry.size
        if (
            last is not None
            and last.function == entry.function
            and entry.at <= last.start + last.count
            and end - last.start <= BLOCK_MAX
        ):
            count = max(last.count, end - last.start)
            found[-1] = Block(last.function, last.start, count)
        else:
            found.append(Block(entry.function, entry.at, entry.size))
    return tuple(found)


def readings(
    registers: tuple[Entry, ...], block: Block, data: bytes, source: str
) -> tuple[InstrumentValue, ...]:
    """The channels that lie in the answer to `block`; `data` are its registers as sent."""
    return tuple(
        _reading(entry, data[2 * (entry.at - block.start) :][: 2 * entry.size], source)
        for entry in registers
        if entry.function == block.function
        and block.start <= entry.at
        and entry.at + entry.size <= block.start + block.count
    )


def _reading(entry: Entry, data: bytes, source: str) -> InstrumentValue:
    raw = _raw(entry, data)
    # Makers print "0xFFFF: no value" for a signed register too.
    bits = raw % (1 << 16 * entry.size) if isinstance(raw, int) else raw
    finite = math.isfinite(raw)
    if not finite or raw in entry.none or bits in entry.none:
        return InstrumentValue(entry.channel, 0.0, entry.unit, "fault", data.hex(), source)
    value = round(raw * entry.scale + entry.offset, 9)
    limits = entry.range
    inside = limits is None or limits[0] <= value <= limits[1]
    flag = "ok" if inside else "over_range"
    return InstrumentValue(entry.channel, float(value), entry.unit, flag, str(raw), source)  # type: ignore[arg-type]


def _raw(entry: Entry, data: bytes) -> int | float:
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if entry.bytes == "little":
        words = [word[::-1] for word in words]
    if entry.words == "little":
        words.reverse()
    if entry.type == "bit":
        return (int.from_bytes(words[0], "big") >> entry.bit) & 1
    value: int | float = struct.unpack(_FORMATS[entry.type], b"".join(words))[0]
    return value


def units(found: Map) -> Mapping[str, str]:
    """Unit by channel, for lists and tables."""
    from_lines = {name: channel.unit for name, channel in found.channels.items()}
    return {entry.channel: entry.unit for entry in found.registers} | from_lines
