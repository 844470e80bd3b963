# SPDX-License-Identifier: AGPL-3.0-or-later
"""A meter that lies is found by what its values do: its own last hour, its nights, its neighbours.

What is wrong turns the flag of every further value to "suspect" with the reason, so that no judge
uses it, until the sign is gone or the instrument is recorded as calibrated. Signs of one hour are
looked for every ten minutes; nights once a day. Pure: samples in, samples out.
"""

from __future__ import annotations

import statistics
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from edge.sensors.hours import LocalTime
from edge.sensors.nights import NIGHT_HOURS, Night, drifting, drifting_apart
from edge.sensors.plausible import usable
from edge.values import Sample, Stamp

# Units of values that always move a little; a switch or a wind direction need not.
MEASURED = ("dB", "dB(A)", "mg/m3", "ug/m3")
LEVELS = ("dB", "dB(A)")
BLOCK_S = 600.0
BLOCKS = 6
# Signs of the hour are not looked for in less than this.
BLOCKS_LEAST = 3
# A level at the lowest value that this meter can say is a quiet night, not a stuck meter; after a
# whole day at it somebody should look all the same.
FLOOR_CONSTANT_S, FLOOR_VISITS = 86_400.0, 3
# Stepped: no value that holds for less than this, and at least so many that hold for so long.
HOLD_LEAST_S, HOLD_LONG_S, HOLDS, HOLD_VALUES = 60.0, 300.0, 3, 8
# The jump from one held value to the next: dB, and share for concentrations.
STEP_DB, STEP_SHARE = 1.0, 0.1
# Clipped: so large a share of the values at the very maximum, so far above the middle, and so many
# times what its neighbours just below have.
CLIP_SHARE, CLIP_ABOVE_DB, CLIP_ABOVE_SHARE, CLIP_TIMES = 0.03, 3.0, 0.3, 3.0
CLIP_LEAST, CLIP_DISTINCT, CLIP_BELOW = 30, 20, 5

Key = tuple[str, str]


@dataclass(slots=True)
class _Block:
    """Ten minutes of one channel: how often each value came, and how long values held."""

    values: Counter[float] = field(default_factory=Counter)
    # (seconds held, samples, jump that ended it)
    holds: list[tuple[float, int, float]] = field(default_factory=list)


@dataclass(slots=True)
class _Channel:
    """One channel as it is watched."""

    unit: str
    blocks: deque[_Block] = field(default_factory=lambda: deque([_Block()], maxlen=BLOCKS))
    block_from: float = 0.0
    last_mono: float = -1e12
    value: float | None = None
    held_from: float = 0.0
    held_n: int = 0
    lowest: float | None = None
    # How often it came back to its lowest value: a floor is known by being visited.
    visits: int = 0
    # What the last look at the hour and the nights found.
    looked: str = ""
    sign: str = ""
    since: Stamp | None = None
    nights: list[Night] = field(default_factory=list)
    night: Counter[float] = field(default_factory=Counter)
    night_date: str = ""


class ChannelNights(msgspec.Struct, frozen=True, array_like=True):
    """What of one channel outlives a restart."""

    sensor: str
    channel: str
    unit: str
    nights: tuple[Night, ...]


class Screening:
    """Watches every measured channel of a box. One owner."""

    def __init__(self, local: LocalTime, constant_s: Mapping[str, float]) -> None:
        self._local, self._constant_s = local, constant_s
        self._channels: dict[Key, _Channel] = {}

    def step(self, samples: Iterable[Sample]) -> list[Sample]:
        """The samples in their order, those of a meter that lies flagged `suspect`."""
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> Sample:
        if sample.unit not in MEASURED or not usable(sample):
            return sample
        key = (sample.sensor, sample.channel)
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = _Channel(sample.unit, block_from=sample.at.mono)
        if sample.at.mono >= channel.last_mono:
            channel.last_mono = sample.at.mono
            self._note(key, channel, sample)
        sign = "constant" if self._constant(key, channel, sample.at.mono) else channel.looked
        if sign != channel.sign:
            channel.sign, channel.since = sign, sample.at if sign else None
        return replace(sample, flag="suspect", why=sign) if sign else sample

    def _note(self, key: Key, channel: _Channel, sample: Sample) -> None:
        at, value = sample.at.mono, sample.value
        self._note_night(channel, sample)
        if at - channel.block_from >= BLOCK_S:
            channel.looked = self._look(key, channel)
            channel.blocks.append(_Block())
            channel.block_from = at
        block = channel.blocks[-1]
        block.values[round(value, 3)] += 1
        if channel.value != value:
            if channel.value is not None:
                jump = abs(value - channel.value)
                block.holds.append((at - channel.held_from, channel.held_n, jump))
            channel.value, channel.held_from, channel.held_n = value, at, 0
            if channel.lowest is None or value < channel.lowest:
                channel.lowest, channel.visits = value, 0
            channel.visits += value == channel.lowest
        channel.held_n += 1

    def _note_night(self, channel: _Channel, sample: Sample) -> None:
        local = self._local.at(sample.at.wall)
        first, last = NIGHT_HOURS
        if first <= local.hour < last:
            channel.night[round(sample.value, 1 if sample.unit in LEVELS else 4)] += 1
            channel.night_date = local.date().isoformat()
        elif channel.night:
            found = Night.of(channel.night_date, channel.night)
            channel.night = Counter()
            if found is not None:
                channel.nights = [*channel.nights, found][-Night.KEPT :]

    def _look(self, key: Key, channel: _Channel) -> str:
        """The first sign of the hour and the nights, by name (edge.sensors.reasons)."""
        blocks, level = list(channel.blocks), channel.unit in LEVELS
        if len(blocks) >= BLOCKS_LEAST and _stepped(blocks, channel.unit):
            return "stepped"
        if len(blocks) >= BLOCKS_LEAST and _clipped(blocks, channel.unit):
            return "clipped"
        if drifting(channel.nights, level=level):
            return "drift_nights"
        beside = [c.nights for k, c in self._channels.items() if self._neighbours(key, k)]
        apart = bool(beside) and drifting_apart(channel.nights, beside, level=level)
        return "drift_neighbours" if apart else ""

    def _neighbours(self, key: Key, other: Key) -> bool:
        """Meters of one quantity at one site: the same channel of another sensor."""
        same = self._channels[key].unit == self._channels[other].unit
        return key[0] != other[0] and key[1] == other[1] and same

    def _constant(self, key: Key, channel: _Channel, now_mono: float) -> bool:
        allowed_s = self._constant_s.get(key[0], 3600.0)
        if allowed_s <= 0.0:
            return False
        if channel.value == channel.lowest and channel.visits >= FLOOR_VISITS:
            allowed_s = max(allowed_s, FLOOR_CONSTANT_S)
        return now_mono - channel.held_from > allowed_s and channel.held_n > HOLD_VALUES

    def forget(self, sensor: str) -> None:
        """It was calibrated or exchanged: what it did before says nothing any more."""
        for key in [key for key in self._channels if key[0] == sensor]:
            del self._channels[key]

    def suspects(self) -> dict[str, tuple[str, str, Stamp | None]]:
        """sensor -> (channel, name of the reason, since when), of those that are suspect now."""
        return {
            key[0]: (key[1], channel.sign, channel.since)
            for key, channel in self._channels.items()
            if channel.sign
        }

    def snapshot(self) -> tuple[ChannelNights, ...]:
        """The nights of every channel: what an hour cannot bring back after a restart."""
        return tuple(
            ChannelNights(sensor, channel, found.unit, tuple(found.nights))
            for (sensor, channel), found in self._channels.items()
            if found.nights
        )

    def restore(self, kept: Iterable[ChannelNights]) -> None:
        """The nights of an earlier run, in the place of those of the same channel."""
        for row in kept:
            self._channels[(row.sensor, row.channel)] = _Channel(row.unit, nights=[*row.nights])


def _stepped(blocks: list[_Block], unit: str) -> bool:
    """Holds still for minutes, then jumps: repeats an old reading, or somebody plays it back."""
    holds = [hold for block in blocks for hold in block.holds]
    if not HOLDS <= len(holds) <= BLOCKS * 2:
        return False
    long = sum(s >= HOLD_LONG_S and n >= HOLD_VALUES for s, n, _ in holds)
    if long < HOLDS or min(s for s, _, _ in holds[1:]) < HOLD_LEAST_S:
        return False
    middle = statistics.median(value for block in blocks for value in block.values)
    least = STEP_DB if unit in LEVELS else STEP_SHARE * abs(middle)
    return statistics.median(jump for _, _, jump in holds) >= least


def _clipped(blocks: list[_Block], unit: str) -> bool:
    """Piles up at its own maximum, where a real quantity thins out."""
    values: Counter[float] = Counter()
    for block in blocks:
        values.update(block.values)
    if len(values) < CLIP_DISTINCT:
        return False
    ordered, total = sorted(values), values.total()
    top, at_top = ordered[-1], values[ordered[-1]]
    middle = _median(values, ordered, total)
    above = CLIP_ABOVE_DB if unit in LEVELS else CLIP_ABOVE_SHARE * abs(top)
    below = statistics.mean(values[value] for value in ordered[-1 - CLIP_BELOW : -1])
    piled = at_top >= max(CLIP_LEAST, CLIP_SHARE * total) and at_top >= CLIP_TIMES * below
    return piled and top - middle >= above


def _median(values: Counter[float], ordered: list[float], total: int) -> float:
    passed = 0
    for value in ordered:
        passed += values[value]
        if 2 * passed >= total:
            return value
    return ordered[-1]
