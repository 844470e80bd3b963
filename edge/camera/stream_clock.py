# SPDX-License-Identifier: AGPL-3.0-or-later
"""A stream's own clock, checked against the arrival of its packets. Pure.

Cameras stamp 25 pictures a second and send 21, stamp all with one time, or run at half speed. The
box knows better, for it sees when the packets come: pictures are chosen by arrival, and the times
of a clip follow the stream's clock only where it agrees with arrival.
"""

from __future__ import annotations

import itertools
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from edge.values import Json

# "true": keeps time; "rate": even, but at another speed; "none": tells nothing about time.
Verdict = Literal["true", "rate", "none"]

# Fewer packets, or less time, tell nothing about a clock.
PACKETS_LEAST, SPAN_LEAST_S = 10, 1.0
# A clock that strays so little over what is judged is left alone: arrival itself strays as much.
TRUE_S = 0.1
# From a line through arrival over stamp a packet of an even clock is at most so far away.
STRAY_S = 0.5
# Stamps of key pictures keep time whose span is within this share of that of their arrivals, over
# all of them or over so many of the latest: a box that fell behind while its cameras started has
# read the first ones late.
KEPT_SHARE, KEPT_LATEST = 0.1, 5
# A rate outside of this is no rate.
RATE_LEAST, RATE_MOST = 0.2, 5.0


@dataclass(frozen=True, slots=True)
class Fit:
    """How stamps become seconds: multiplied by `scale` where the verdict is not "none"."""

    verdict: Verdict
    scale: float = 1.0


def fit(arrived_s: Sequence[float], stamped_s: Sequence[float]) -> Fit:
    """Compare stamps with arrivals, both in the order of decoding.

    The speed is taken from the medians of the first and last third, so that a hiccup of the
    network, or a burst at the start, does not count.
    """
    span_s = arrived_s[-1] - arrived_s[0] if arrived_s else 0.0
    if len(arrived_s) < PACKETS_LEAST or span_s < SPAN_LEAST_S:
        return Fit("true")
    if any(b < a for a, b in itertools.pairwise(stamped_s)):
        return Fit("none")
    third = len(arrived_s) // 3
    passed = [statistics.median(v[-third:]) - statistics.median(v[:third]) for v in (
        arrived_s, stamped_s
    )]  # fmt: skip
    if passed[1] <= 0.0 or passed[0] <= 0.0:
        return Fit("none")
    scale = passed[0] / passed[1]
    if abs(scale - 1.0) * span_s <= TRUE_S:
        return Fit("true")
    delays = [a - s * scale for a, s in zip(arrived_s, stamped_s, strict=True)]
    middle = statistics.median(delays)
    even = max(abs(d - middle) for d in delays) <= STRAY_S
    return Fit("rate", scale) if even and RATE_LEAST <= scale <= RATE_MOST else Fit("none")


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What an installer is shown of a stream; None where it cannot be told (yet).

    Rates in pictures a second, jitter_ms is the 95th percentile of how far arrivals are from
    even, drift_ppm how much faster the camera's clock runs than ours (negative: slower).
    """

    arrived_fps: float
    stamped_fps: float | None
    jitter_ms: float | None
    key_s: float | None
    b_pictures: bool
    drift_ppm: int | None
    clock: Verdict

    def row(self) -> dict[str, Json]:
        return asdict(self)


class StreamStatistics:
    """Packets of one connection, the last OVER_S seconds of them. One thread adds, any reads."""

    OVER_S, MOST = 30.0, 3000
    # Drift shows over minutes only: of each stretch of BIN_S the least delay is kept.
    # How far apart key pictures are is told by those of a minute, and by three gaps at least: an
    # encoder that puts them where it likes is one with the longest gap of these. Of so many gaps
    # one may be the network's.
    KEYS_S, KEYS_LEAST, KEYS_MOST, GAPS_SURE = 60.0, 4, 256, 8
    BIN_S, BINS, DRIFT_LEAST_S = 5.0, 720, 60.0

    def __init__(self) -> None:
        self._rows: deque[tuple[float, float | None]] = deque(maxlen=self.MOST)
        # Of each key picture: when it came, and its stamp.
        self._keys: deque[tuple[float, float | None]] = deque(maxlen=self.KEYS_MOST)
        self._bins: deque[tuple[float, float]] = deque(maxlen=self.BINS)
        self._b_pictures = False

    def add(
        self, arrived_s: float, decode_s: float | None, show_s: float | None, key: bool
    ) -> None:
        """One packet: when it came, and its stamps in s."""
        self._rows.append((arrived_s, decode_s))
        while self._rows[0][0] < arrived_s - self.OVER_S:
            self._rows.popleft()
        if key:
            self._keys.append((arrived_s, decode_s))
        while len(self._keys) > self.KEYS_LEAST and self._keys[1][0] < arrived_s - self.KEYS_S:
            self._keys.popleft()
        if decode_s is not None and show_s is not None:
            self._b_pictures |= show_s > decode_s
        if decode_s is not None:
            self._keep_delay(arrived_s, arrived_s - decode_s)

    def _keep_delay(self, arrived_s: float, delay_s: float) -> None:
        if not self._bins or arrived_s - self._bins[-1][0] >= self.BIN_S:
            self._bins.append((arrived_s, delay_s))
        elif delay_s < self._bins[-1][1]:
            self._bins[-1] = (self._bins[-1][0], delay_s)

    @property
    def arrived_fps(self) -> float:
        """Packets a second; 0.0 while too few came to tell."""
        rows = list(self._rows)
        span_s = rows[-1][0] - rows[0][0] if rows else 0.0
        return (len(rows) - 1) / span_s if span_s >= SPAN_LEAST_S else 0.0

    def facts(self) -> StreamFacts | None:
        """None while too few packets came to tell."""
        rows = list(self._rows)
        rate = self.arrived_fps
        if len(rows) < PACKETS_LEAST or rate <= 0.0:
            return None
        stamped = [(a, s) for a, s in rows if s is not None]
        times, stamps = [a for a, _ in stamped], [s for _, s in stamped]
        verdict = fit(times, stamps).verdict if len(stamped) >= PACKETS_LEAST else "none"
        return StreamFacts(
            arrived_fps=round(rate, 2),
            stamped_fps=_stamped_fps(stamps),
            jitter_ms=_jitter_ms([a for a, _ in rows]),
            key_s=self.key_s,
            b_pictures=self._b_pictures,
            drift_ppm=self._drift_ppm() if verdict == "true" else None,
            clock=verdict,
        )

    @property
    def key_s(self) -> float | None:
        """Seconds between key pictures; None while too few came to tell."""
        keys = [arrived_s for arrived_s, _ in list(self._keys)]
        return round((keys[-1] - keys[0]) / (len(keys) - 1), 2) if len(keys) > 1 else None

    @property
    def key_most_s(self) -> float | None:
        """The longest that the last minute's key pictures let wait for them: by their stamps where
        these keep time, else by arrival, of which the network may have held up one. The one that
        has yet to come counts in any case. None as for `key_s`."""
        keys, rows = list(self._keys), list(self._rows)
        if len(keys) < 2:
            return None
        gaps, stamp, before = _stamped_gaps(keys), rows[-1][1], keys[-1][1]
        since_s = rows[-1][0] - keys[-1][0]
        if gaps is None:
            gaps = sorted(b[0] - a[0] for a, b in itertools.pairwise(keys))
            gaps = gaps[:-1] if len(gaps) >= self.GAPS_SURE else gaps
        elif stamp is not None and before is not None:
            # A network that held packets up gives them all at once, and the key picture after them.
            since_s = min(since_s, stamp - before)
        return round(max(gaps[-1], since_s), 2)

    def _drift_ppm(self) -> int | None:
        bins = list(self._bins)
        if bins[-1][0] - bins[0][0] < self.DRIFT_LEAST_S:
            return None
        slope, _ = statistics.linear_regression([a for a, _ in bins], [d for _, d in bins])
        return round(-slope * 1e6)


def _stamped_gaps(keys: Sequence[tuple[float, float | None]]) -> list[float] | None:
    """Seconds between key pictures by their stamps, sorted; None where these do not keep time."""
    stamped = [(arrived_s, stamp) for arrived_s, stamp in keys if stamp is not None]
    # A stream may give its first packet no time.
    if len(stamped) < max(2, len(keys) - 1):
        return None
    came, stamps = [a for a, _ in stamped], [stamp for _, stamp in stamped]
    gaps = sorted(b - a for a, b in itertools.pairwise(stamps))
    kept = any(
        abs(stamps[-1] - stamps[-n] - (came[-1] - came[-n])) <= KEPT_SHARE * (came[-1] - came[-n])
        for n in (len(stamps), min(KEPT_LATEST, len(stamps)))
    )
    return gaps if gaps[0] > 0.0 and kept else None


def _stamped_fps(stamps: Sequence[float]) -> float | None:
    steps = [b - a for a, b in itertools.pairwise(stamps)]
    middle = statistics.median(steps) if steps else 0.0
    return round(1.0 / middle, 2) if middle > 0.0 else None


def _jitter_ms(arrived_s: Sequence[float]) -> float:
    """95th percentile of how far arrivals are from an even row of the same length."""
    step_s = (arrived_s[-1] - arrived_s[0]) / (len(arrived_s) - 1)
    off = [a - arrived_s[0] - index * step_s for index, a in enumerate(arrived_s)]
    middle = statistics.median(off)
    return round(sorted(abs(o - middle) for o in off)[int(0.95 * (len(off) - 1))] * 1000.0, 1)
