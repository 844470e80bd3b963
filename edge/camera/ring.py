# SPDX-License-Identifier: AGPL-3.0-or-later
"""The last seconds of a stream as encoded packets: bounded in bytes and in seconds."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from edge.camera.cutting import REORDER_MOST, whole_end
from edge.camera.packets import Encoded, StreamOpening
from edge.camera.remux import write_mp4
from edge.values import Json


class ClipSource(Protocol):
    """Where a clip of a camera can be cut from. `facts` say how: for the evidence manifest."""

    @property
    def facts(self) -> Mapping[str, Json]: ...

    def write_clip(
        self, path: Path, start_mono: float, end_mono: float
    ) -> tuple[float, float] | None:
        """Write what there is of [start, end] to an MP4 file; the mono times really covered.

        None, and no file, where nothing of that time is kept. Times are those of Frame.at.mono.
        Raises OSError where the file cannot be written.
        """
        ...


def made(connection: StreamOpening | None) -> Mapping[str, Json]:
    """How a clip of these packets comes about, for the evidence manifest."""
    if connection is None:
        return {"made": "remuxed"}
    return {"made": connection.made, "codec": connection.codec}


class PacketRing:
    """Packets of one stream, oldest dropped by whole groups of pictures.

    One thread adds, any thread cuts clips. `seconds` is what is kept at least (one group of
    pictures more), `bytes_max` is never exceeded, whatever the bit rate.
    """

    def __init__(self, *, seconds: float, bytes_max: int) -> None:
        self._seconds = seconds
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._packets: deque[Encoded] = deque()
        # Arrival of every key packet in the ring: where groups of pictures begin.
        self._keys_s: deque[float] = deque()
        self.bytes = 0
        self.overflows = 0

    @property
    def facts(self) -> Mapping[str, Json]:
        with self._lock:
            connection = self._packets[-1].connection if self._packets else None
        return made(connection)

    def add(self, packet: Encoded) -> None:
        """Take one packet; those before the first key picture of a connection are useless."""
        with self._lock:
            joined = self._packets and self._packets[-1].connection is packet.connection
            if not packet.key and not joined:
                return
            self._packets.append(packet)
            self.bytes += len(packet.data)
            if packet.key:
                self._keys_s.append(packet.at.mono)
            self._trim(packet.at.mono)

    def span(self) -> tuple[float, float] | None:
        """Arrival of the oldest and newest packet kept."""
        with self._lock:
            if not self._packets:
                return None
            return self._packets[0].at.mono, self._packets[-1].at.mono

    def write_clip(
        self, path: Path, start_mono: float, end_mono: float
    ) -> tuple[float, float] | None:
        """See ClipSource. Begins at the last key picture at or before `start_mono`."""
        with self._lock:
            packets = list(self._packets)
        return write_mp4(path, choose(packets, start_mono, end_mono))

    def _trim(self, now_s: float) -> None:
        while len(self._keys_s) > 1 and self._keys_s[1] <= now_s - self._seconds:
            self._drop_group()
        while self.bytes > self._bytes_max:
            self.overflows += len(self._keys_s) == 1
            self._drop_group()

    def _drop_group(self) -> None:
        self._keys_s.popleft()
        self._drop_one()
        while self._packets and not self._packets[0].key:
            self._drop_one()

    def _drop_one(self) -> None:
        self.bytes -= len(self._packets.popleft().data)


def choose(packets: Sequence[Encoded], start_mono: float, end_mono: float) -> list[Encoded]:
    """Packets for a clip of [start, end]: from the last key picture at or before the start.

    Where codec or parameter sets change in between, the part that covers most of the time asked
    for is taken, so that a file never mixes two kinds of picture.
    """
    first = 0
    for index, packet in enumerate(packets):
        if packet.at.mono > start_mono:
            break
        if packet.key:
            first = index
    wanted = [p for p in packets[first:] if p.at.mono <= end_mono]
    runs = [run for run in _runs(wanted) if run[-1].at.mono >= start_mono]
    run = max(runs, key=lambda run: _covered_s(run, start_mono), default=[])
    return _whole(run, packets) if run else []


def _whole(run: list[Encoded], packets: Sequence[Encoded]) -> list[Encoded]:
    """The run up to where no picture is missing, a few packets longer where it must be."""
    after = next(i for i, p in enumerate(packets) if p is run[-1]) + 1
    tail = list(packets[after : after + REORDER_MOST])
    more = [p for p in tail if p.connection is run[-1].connection and p.look == run[0].look]
    longer = [*run, *more]
    return longer[: whole_end([_shown_s(packet) for packet in longer], len(run) - 1)]


def _shown_s(packet: Encoded) -> float | None:
    return None if packet.pts is None else float(packet.pts * packet.time_base)


def _runs(packets: Sequence[Encoded]) -> list[list[Encoded]]:
    """Split where the look changes; each run begins with a key packet."""
    runs: list[list[Encoded]] = []
    for packet in packets:
        if not runs or runs[-1][0].look != packet.look:
            runs.append([])
        if runs[-1] or packet.key:
            runs[-1].append(packet)
        elif not runs[-1]:
            runs.pop()
    return runs


def _covered_s(run: Sequence[Encoded], start_mono: float) -> float:
    return run[-1].at.mono - max(start_mono, run[0].at.mono)
