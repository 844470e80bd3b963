# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the page Sensors shows: latest values, minutes of a day, limits, machines, bytes of lines.

Reads what edge-sensord writes and knows nothing of instruments itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from edge.console.plots import NARROW, WIDE, Dot, LimitSpan, Plot, Strip
from edge.console.reading import BoxFolders
from edge.console.texts import Language, text
from edge.jsonfile import read_object
from edge.sensors import acoustics, history
from edge.sensors.hours import LocalTime

DAY_S = 86_400.0
MINUTES_AGE_S = 20.0
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """One sensor as the page shows it: its status, latest values, what is judged by it."""

    id: str
    status: Json
    latest: Json
    points: tuple[Json, ...]
    shops: tuple[Json, ...]
    line: Json
    heard: tuple[Json, ...]

    @property
    def channels(self) -> Mapping[str, Json]:
        found: Mapping[str, Json] = self.latest.get("channels", {})
        return found


class Sensing:
    """The sensors of one box, read-only. Minutes of a sensor are read once in twenty seconds."""

    def __init__(self, reading: BoxFolders) -> None:
        self._reading = reading
        self._minutes: dict[str, tuple[float, dict[str, list[history.MinuteRow]]]] = {}

    def cards(self) -> list[Card]:
        """One card for each sensor that sensord names in its status, with its line's health."""
        status = self._reading.status("sensord")
        lines = {row["port"]: row for row in status.get("lines", [])}
        heard = {row.get("port"): row.get("heard", []) for row in self._heard()}
        return [
            Card(
                id=name,
                status=row,
                latest=self.latest(name),
                points=tuple(p for p in status.get("points", []) if p.get("sensor") == name),
                shops=tuple(s for s in status.get("shops", []) if s.get("sensor") == name),
                line=lines.get(row.get("port"), {}),
                heard=tuple(heard.get(row.get("port"), [])),
            )
            for name, row in status.get("sensors", {}).items()
        ]

    def card(self, sensor: str) -> Card | None:
        return next((card for card in self.cards() if card.id == sensor), None)

    def _heard(self) -> list[Json]:
        try:
            found = json.loads((self._reading.run / "lines/heard.json").read_bytes())
        except (OSError, ValueError):
            return []
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []

    def latest(self, sensor: str) -> Json:
        """`<run>/samples/<sensor>.json` with the age of every value; only of a known sensor."""
        found = read_object(self._reading.run / "samples" / f"{sensor}.json")
        now = time.time()
        for row in found.get("channels", {}).values():
            row["age_s"] = round(max(0.0, now - float(row.get("wall", 0.0))), 1)
        return found

    def values(self) -> Json:
        """What the page asks for every two seconds."""
        known = self._reading.status("sensord").get("sensors", {})
        return {name: self.latest(name) for name in known}

    def minutes(self, sensor: str) -> dict[str, list[history.MinuteRow]]:
        """channel -> the minutes of the last day."""
        now = time.monotonic()
        known = self._minutes.get(sensor)
        if known is None or now - known[0] > MINUTES_AGE_S:
            wall = time.time()
            rows = history.read(self._reading.state, self._reading.run, wall - DAY_S, wall)
            found: dict[str, list[history.MinuteRow]] = {}
            for row in rows:
                if row.sensor == sensor:
                    found.setdefault(row.channel, []).append(row)
            self._minutes = {
                name: kept for name, kept in self._minutes.items() if now - kept[0] < MINUTES_AGE_S
            }
            known = self._minutes[sensor] = now, found
        return known[1]

    def plot(
        self, card: Card, channel: str, timezone: str, language: Language, *, narrow: bool
    ) -> Plot:
        """A day of one channel with its limits and machines; `narrow`: for a phone."""
        end, local = time.time(), LocalTime(timezone)
        begin = end - DAY_S
        minutes = self.minutes(card.id)
        rows = minutes.get(channel, [])
        unit = rows[-1].unit if rows else str(card.channels.get(channel, {}).get("unit", ""))
        level = unit == "dB"
        return Plot(
            title=channel_name(channel, language),
            unit="dB(A)" if level else unit,
            begin=begin,
            end=end,
            zone=ZoneInfo(timezone),
            dots=tuple(_level_dot(row) if level else _dot(row) for row in rows),
            mean=acoustics.leq if level else _mean,
            limits=_limits(card, channel, begin, end, local),
            strips=_strips(card, channel, minutes, language),
            empty=text("plot_empty", language),
            width=NARROW if narrow else WIDE,
        )


def _mean(values: Any) -> float:
    return float(sum(values) / len(values))


def _level_dot(row: history.MinuteRow) -> Dot:
    return Dot(row.wall, row.mean, row.l90, row.l10, row.l50)


def _dot(row: history.MinuteRow) -> Dot:
    return Dot(row.wall, row.mean, row.min, row.max)


def _limits(
    card: Card, channel: str, begin: float, end: float, local: LocalTime
) -> tuple[LimitSpan, ...]:
    """The limit of the point or shop that judges this channel, over the hours it holds."""
    for point in card.points:
        if point.get("channel") != channel:
            continue
        if point.get("sense") == "noise":
            return _day_and_night(point, begin, end, local)
        return (LimitSpan(begin, end, float(point["limit"])),)
    return tuple(
        LimitSpan(begin, end, float(shop["limit"]))
        for shop in card.shops[:1]
        if shop.get("channel") == channel and "limit" in shop
    )


def _day_and_night(
    point: Json, begin: float, end: float, local: LocalTime
) -> tuple[LimitSpan, ...]:
    found, at, hours = [], begin, str(point["day_hours"])
    while at < end:
        until = min(end, local.next_change(at, hours))
        found.append(LimitSpan(at, until, float(point[f"{local.period(at, hours)}_db"])))
        at = until
    return tuple(found)


def _strips(
    card: Card, channel: str, minutes: dict[str, list[history.MinuteRow]], language: Language
) -> tuple[Strip, ...]:
    """Fan and purifier below the fume curve."""
    shop = next((s for s in card.shops if s.get("channel") == channel), None)
    if shop is None:
        return ()
    found = []
    for machine, terms in shop.get("machines", {}).items():
        least = terms.get("on_a") or 0.5
        rows = minutes.get(terms.get("channel"), [])
        states = tuple((row.wall, row.mean >= least) for row in rows if row.mean is not None)
        found.append(Strip(text(f"machine_{machine}", language), states))
    return tuple(found)


# Machines are shown below the curve, not as curves of their own.
def plotted(card: Card) -> list[str]:
    """The channels of a sensor that get a plot, what is judged first; eight at most."""
    machines = {m.get("channel") for s in card.shops for m in s.get("machines", {}).values()}
    judged = [str(row.get("channel")) for row in (*card.points, *card.shops)]
    names = [name for name in card.channels if name not in machines]
    return sorted(names, key=lambda name: (name not in judged, names.index(name)))[:8]


# Chinese and English names of channels; others are shown as they are configured.
CHANNELS: dict[str, tuple[str, str]] = {
    "LA": ("A 声级", "A-weighted level"),
    "LAmax": ("最大声级", "Maximum level"),
    "fume": ("油烟", "Cooking fume"),
    "nmhc": ("非甲烷总烃", "NMHC"),
    "pm": ("颗粒物", "Particles"),
    "tsp": ("总悬浮颗粒物", "TSP"),
    "pm1": ("PM1", "PM1"),
    "pm25": ("PM2.5", "PM2.5"),
    "pm2.5": ("PM2.5", "PM2.5"),
    "pm10": ("PM10", "PM10"),
    "temperature": ("温度", "Temperature"),
    "humidity": ("湿度", "Humidity"),
    "pressure": ("气压", "Pressure"),
    "wind_speed": ("风速", "Wind speed"),
    "wind_direction": ("风向", "Wind direction"),
    "fan": ("风机", "Fan"),
    "purifier": ("净化器", "Purifier"),
}


def channel_name(channel: str, language: Language) -> str:
    """What people call a channel; its own name where we know none."""
    known = CHANNELS.get(channel)
    if known is None:
        return channel
    name = known[0] if language == "zh" else known[1]
    return name if channel.lower() in name.lower() else f"{name} {channel}"


def csv_of(state: Path, run: Path, sensor: str) -> str:
    """The minutes of a day of one sensor, for a spreadsheet."""
    now = time.time()
    lines = ["began_utc,channel,unit,n,valid,mean,min,max,L10,L50,L90"]
    for row in history.read(state, run, now - DAY_S, now):
        if row.sensor == sensor:
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.wall))
            figures = (row.mean, row.min, row.max, row.l10, row.l50, row.l90)
            cells = ["" if value is None else f"{value:g}" for value in figures]
            head = (at, row.channel, row.unit, str(row.n), str(row.valid))
            lines.append(",".join([*head, *cells]))
    return "\n".join(lines) + "\n"
