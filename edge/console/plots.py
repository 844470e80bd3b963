# SPDX-License-Identifier: AGPL-3.0-or-later
"""Twenty-four hours of one channel as a small SVG. Pure: rows in, text out.

A gap stays a gap; limits are steps over the hours in which they hold; machines are bars below the
curve. The picture carries its own colours for light and dark, since it is shown by <img>.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from html import escape

HEIGHT = 240
# What is drawn for a laptop and for a phone: the letters stay readable on both.
WIDE, NARROW = 720, 350
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 26, 22
STRIP = 16
BUCKETS = 480

STYLE = (
    "svg{--ink:#17212b;--soft:#526170;--line:#dfe5ea;--main:#0b5c8a;--bad:#a3201a;--good:#0a6847;"
    'font:11px system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}'
    "@media(prefers-color-scheme:dark){svg{--ink:#e8eef3;--soft:#a9b7c4;--line:#33414e;"
    "--main:#6db9e8;--bad:#ff9d94;--good:#6fd6a8}}"
    ".g{stroke:var(--line);fill:none}.t{fill:var(--soft)}.k{fill:var(--ink)}"
    ".c{stroke:var(--main);stroke-width:1.8;fill:none;stroke-linejoin:round}"
    ".d{stroke:var(--main);stroke-width:1;fill:none;stroke-dasharray:2 3}"
    ".b{fill:var(--main);fill-opacity:.16}.l{stroke:var(--bad);stroke-width:1.6;fill:none}"
    ".lt{fill:var(--bad)}.on{fill:var(--good)}.off{fill:var(--line)}"
)


@dataclass(frozen=True, slots=True)
class Dot:
    """One minute: the value, and the edges of its band; all None where nothing was valid."""

    wall: float
    value: float | None
    low: float | None = None
    high: float | None = None
    middle: float | None = None


@dataclass(frozen=True, slots=True)
class LimitSpan:
    """A limit that holds from one wall time to another."""

    begin: float
    end: float
    value: float


@dataclass(frozen=True, slots=True)
class Strip:
    """A machine: when it ran. `minutes` are (wall, on); what is not there is unknown."""

    name: str
    minutes: tuple[tuple[float, bool], ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn. `title`, `unit` and `empty` are people's words."""

    title: str
    unit: str
    begin: float
    end: float
    zone: tzinfo
    dots: tuple[Dot, ...]
    mean: Callable[[Sequence[float]], float]
    limits: tuple[LimitSpan, ...] = ()
    strips: tuple[Strip, ...] = ()
    empty: str = "no data"
    width: int = WIDE


def svg(plot: Plot) -> str:
    """The picture as text."""
    height = HEIGHT + STRIP * len(plot.strips)
    dots = thinned(plot)
    scale = _PlotScale(plot, dots)
    return "".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" role="img" ',
            f'viewBox="0 0 {plot.width} {height}">',
            f"<title>{escape(plot.title)}</title><style>{STYLE}</style>",
            *_grid(plot, scale),
            _band(dots, scale),
            _curve(dots, scale, "d", lambda dot: dot.middle),
            _curve(dots, scale, "c", lambda dot: dot.value),
            *_limits(plot, scale),
            *_strips(plot, scale),
            _head(plot),
            "</svg>",
        ]
    )


def thinned(plot: Plot) -> tuple[Dot, ...]:
    """At most so many dots: means of values, outermost edges of bands."""
    step_s = (plot.end - plot.begin) / BUCKETS
    buckets: dict[int, list[Dot]] = {}
    for dot in plot.dots:
        if plot.begin <= dot.wall <= plot.end:
            buckets.setdefault(int((dot.wall - plot.begin) / step_s), []).append(dot)
    return tuple(_merged(dots, plot.mean) for _, dots in sorted(buckets.items()))


def _merged(dots: Sequence[Dot], mean: Callable[[Sequence[float]], float]) -> Dot:
    def of(pick: Callable[[Dot], float | None]) -> list[float]:
        return [value for dot in dots if (value := pick(dot)) is not None]

    values, middles = of(lambda d: d.value), of(lambda d: d.middle)
    lows, highs = of(lambda d: d.low), of(lambda d: d.high)
    return Dot(
        dots[0].wall,
        mean(values) if values else None,
        min(lows, default=None),
        max(highs, default=None),
        sum(middles) / len(middles) if middles else None,
    )


class _PlotScale:
    """Wall seconds and values to places in the picture."""

    def __init__(self, plot: Plot, dots: Sequence[Dot]) -> None:
        values = [v for dot in dots for v in (dot.value, dot.low, dot.high) if v is not None]
        values += [limit.value for limit in plot.limits]
        low, high = min(values, default=0.0), max(values, default=1.0)
        room = max((high - low) * 0.08, abs(high) * 0.01, 1e-6)
        self.step = _round_step((high - low + 2 * room) / 4)
        self.low = (low - room) // self.step * self.step
        if low >= 0.0 > self.low:
            self.low = 0.0
        self.high = -(-(high + room) // self.step) * self.step
        self._width = plot.width - LEFT - RIGHT
        self._begin, self._span_s = plot.begin, plot.end - plot.begin
        # Dots further apart than this are not joined.
        self.gap_s = max(150.0, 1.7 * self._span_s / BUCKETS)

    def x(self, wall: float) -> float:
        return LEFT + (wall - self._begin) / self._span_s * self._width

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, not below `least`."""
    power = 10.0 ** (len(str(int(least))) - 1) if least >= 1 else 1.0
    while power > least and power > 1e-6:
        power /= 10.0
    return next(power * n for n in (1, 2, 5, 10, 20) if power * n >= least * 0.999)


def _grid(plot: Plot, scale: _PlotScale) -> Iterable[str]:
    value = scale.low
    while value <= scale.high + scale.step / 2:
        y = scale.y(value)
        yield f'<path class="g" d="M{LEFT} {y:.1f}H{plot.width - RIGHT}"/>'
        yield f'<text class="t" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        value = round(value + scale.step, 9)
    for wall, text in _hours(plot):
        x = scale.x(wall)
        yield f'<path class="g" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        yield f'<text class="t" x="{x:.1f}" y="{HEIGHT - 7}" text-anchor="middle">{text}</text>'


def _hours(plot: Plot) -> Iterable[tuple[float, str]]:
    """Every fourth local hour; every sixth where there is little room."""
    every = 4 if plot.width == WIDE else 6
    at = datetime.fromtimestamp(plot.begin, plot.zone).replace(minute=0, second=0, microsecond=0)
    for _ in range(26):
        at += timedelta(hours=1)
        if plot.begin + 1200 <= at.timestamp() <= plot.end - 600 and at.hour % every == 0:
            yield at.timestamp(), f"{at:%H:%M}"


def _runs(
    dots: Sequence[Dot], scale: _PlotScale, has: Callable[[Dot], bool]
) -> Iterable[list[Dot]]:
    """Stretches without a gap."""
    run: list[Dot] = []
    for dot in dots:
        if run and (not has(dot) or dot.wall - run[-1].wall > scale.gap_s):
            yield run
            run = []
        if has(dot):
            run.append(dot)
    if run:
        yield run


def _curve(
    dots: Sequence[Dot], scale: _PlotScale, kind: str, pick: Callable[[Dot], float | None]
) -> str:
    parts = []
    for run in _runs(dots, scale, lambda dot: pick(dot) is not None):
        places = [(scale.x(dot.wall), scale.y(pick(dot) or 0.0)) for dot in run]
        if len(places) == 1:
            # A lone minute is a point: a line of no length would not be seen.
            places.append((places[0][0] + 1.5, places[0][1]))
        parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places))
    return f'<path class="{kind}" d="{"".join(parts)}"/>' if parts else ""


def _band(dots: Sequence[Dot], scale: _PlotScale) -> str:
    parts = []
    for run in _runs(dots, scale, lambda dot: dot.low is not None and dot.high is not None):
        up = [(scale.x(d.wall), scale.y(d.high or 0.0)) for d in run]
        down = [(scale.x(d.wall), scale.y(d.low or 0.0)) for d in reversed(run)]
        parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in up + down) + "Z")
    return f'<path class="b" d="{"".join(parts)}"/>' if parts else ""


def _limits(plot: Plot, scale: _PlotScale) -> Iterable[str]:
    path, last = "", None
    for limit in plot.limits:
        y = scale.y(limit.value)
        begin, end = scale.x(max(limit.begin, plot.begin)), scale.x(min(limit.end, plot.end))
        path += f"{'L' if path else 'M'}{begin:.1f} {y:.1f}L{end:.1f} {y:.1f}"
        if limit.value != last and end - begin > 40:
            yield f'<text class="lt" x="{begin + 4:.1f}" y="{y - 4:.1f}">{limit.value:g}</text>'
        last = limit.value
    if path:
        yield f'<path class="l" d="{path}"/>'


def _strips(plot: Plot, scale: _PlotScale) -> Iterable[str]:
    for number, strip in enumerate(plot.strips):
        top = HEIGHT + STRIP * number
        yield f'<text class="t" x="{LEFT - 6}" y="{top + 10}" text-anchor="end">'
        yield f"{escape(strip.name)}</text>"
        for begin, end, on in stretches(strip.minutes):
            left, right = scale.x(max(begin, plot.begin)), scale.x(min(end, plot.end))
            if right > left:
                kind = "on" if on else "off"
                yield f'<rect class="{kind}" x="{left:.1f}" y="{top + 1}" '
                yield f'width="{right - left:.1f}" height="{STRIP - 6}"/>'


def stretches(minutes: Iterable[tuple[float, bool]]) -> Iterable[tuple[float, float, bool]]:
    """(begin, end, on) of minutes that follow each other and are alike."""
    begin = end = 0.0
    state: bool | None = None
    for wall, on in minutes:
        if state is not None and (on != state or wall - end > 90.0):
            yield begin, end, state
            state = None
        if state is None:
            begin, state = wall, on
        end = wall + 60.0
    if state is not None:
        yield begin, end, state


def _head(plot: Plot) -> str:
    words = escape(" · ".join(part for part in (plot.title, plot.unit) if part))
    text = f'<text class="k" x="{LEFT}" y="15" font-weight="600">{words}</text>'
    if any(dot.value is not None for dot in plot.dots):
        return text
    middle = f'x="{(plot.width + LEFT) / 2:.0f}" y="{HEIGHT / 2:.0f}" text-anchor="middle"'
    return text + f'<text class="t" {middle} font-size="14">{escape(plot.empty)}</text>'
