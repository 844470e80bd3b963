# SPDX-License-Identifier: AGPL-3.0-or-later
"""The learning part's files.

`<state>/learning/` (sole writer: whoever runs `learn`, the janitor's timer):
  judged.jsonl       every case with its verdict, kept when the evidence is long gone
  samples/ID.jpg .json   the close-up of a judged case, and what it shows
  offsets.json       what verdicts moved; visiond reads it at start
  opinions/CAMERA--CATEGORY.json   what a camera's verdicts taught; deleted, it is forgotten
  precision.json     confirmed precision for people
`<state>/harvest/CAMERA/` (sole writer: visiond): crops near the limit, for a labeller. visiond and
the janitor delete what is old (edge.learning.retention).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from edge.jsonfile import decoded_lines, read_object, read_record
from edge.learning.harvest import Budget, HarvestCandidate, allowed, crop
from edge.learning.opinion import Example, Opinion, features_of, teach
from edge.learning.precision import precision
from edge.learning.retention import delete_old, held
from edge.learning.thresholds import Bounds, Offset, step
from edge.learning.verdicts import (
    Judged,
    PublishedSubject,
    case_of,
    join,
    latest,
    parse_lines,
    standing,
)
from edge.runtime import write_atomic
from edge.values import Box, Image, Stamp

log = logging.getLogger(__name__)

PRECISION_WINDOW_S = 90 * 86_400.0
JPEG_QUALITY = 92
# The close-up of the evidence album is cut with this share of the box round it on every side.
CLOSE_MARGIN = 0.25


@dataclass(frozen=True, slots=True)
class Learnt:
    """What one run of `learn` did; for the log and the status file."""

    verdicts: int
    bad_lines: int
    new: int
    without_case: int
    moved: tuple[str, ...]


def learn(state: Path, *, now_s: float, bounds: Bounds | None = None) -> Learnt:
    """Take in new verdicts, keep their pictures, move thresholds. Repeating it changes nothing.

    Raises OSError when the disk refuses.
    """
    folder = state / "learning"
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    verdicts, bad = _read_reviews(state / "reviews")
    known = {one.violation: one for one in read_judged(folder)}
    fresh, orphans = 0, 0
    for violation, verdict in latest(verdicts).items():
        held = known.get(violation)
        if held and (held.judged_s, held.verdict) == (verdict.wall_s, verdict.verdict):
            continue
        case = _case(state / "evidence", violation)
        if case is not None:
            _keep_sample(state / "evidence", folder / "samples", case, join(case, verdict))
            known[violation] = join(case, verdict)
        elif held is not None:
            known[violation] = msgspec.structs.replace(
                held, verdict=verdict.verdict, judged_s=verdict.wall_s, reason=verdict.reason
            )
        else:
            orphans += 1
            continue
        fresh += 1
    if fresh:
        _write_judged(folder, known.values())
        teach_opinions(folder)
    moved = _move(folder, list(known.values()), now_s, bounds)
    _write_precision(folder, known.values(), now_s)
    return Learnt(len(verdicts), bad, fresh, orphans, moved)


def _read_reviews(folder: Path) -> tuple[list[Any], int]:
    files = sorted(folder.glob("*.jsonl"))
    lines = [line for path in files for line in path.read_bytes().splitlines()]
    verdicts, bad = parse_lines(lines)
    return standing(verdicts), bad


def _case(evidence: Path, violation: str) -> PublishedSubject | None:
    """From the newest sealed revision; None where the evidence was released and deleted."""
    if not violation or "/" in violation or violation.startswith("."):
        return None
    folders = sorted((evidence / violation).glob("r[0-9]*"), key=lambda p: int(p.name[1:] or 0))
    if not folders:
        return None
    manifest = read_object(folders[-1] / "manifest.json")
    return case_of(manifest) if manifest else None


def _keep_sample(evidence: Path, samples: Path, case: PublishedSubject, judged: Judged) -> None:
    """Copy the clean close-up (overviews carry ticks round the subject: a label leak)."""
    closes = [name for name in case.pictures if "-close-" in name]
    if not closes or case.close is None:
        return
    part = case.close
    image = cv2.imread(str(located(evidence / case.violation, closes[-1])))
    if image is None:
        return
    scene = image[: part.height, part.x : part.x + part.width]
    cv2.imwrite(
        str(samples / f"{case.violation}.jpg"), scene, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    row = {
        **msgspec.to_builtins(judged),
        "label": case.label,
        "box": close_box(part.box),
        "place": case.box,
    }
    write_atomic(samples / f"{case.violation}.json", _json(row))


# A case that was settled otherwise says nothing of whether the thing was there.
OTHER_OUTCOMES = ("on_the_spot", "permitted", "duplicate", "not_pursued", "paused")


def teach_opinions(folder: Path) -> None:
    """Teach every camera's second opinion of every category anew from the samples kept."""
    examples: dict[tuple[str, str], list[tuple[float, Example]]] = {}
    for path in sorted((folder / "samples").glob("*.json")):
        found = _example(path)
        if found is not None:
            key, judged_s, example = found
            examples.setdefault(key, []).append((judged_s, example))
    (folder / "opinions").mkdir(exist_ok=True)
    for (camera, category), rows in examples.items():
        opinion = teach([example for _, example in sorted(rows, key=lambda row: row[0])])
        if opinion is not None:
            _write_opinion(folder / "opinions" / f"{camera}--{category}.json", opinion)


def _example(path: Path) -> tuple[tuple[str, str], float, Example] | None:
    """(camera and category, when judged, what it looked like) of one sample; None where it lacks
    its place (an older one), its picture, or a word on whether the thing was there."""
    image = cv2.imread(str(path.with_suffix(".jpg")))
    try:
        row = json.loads(path.read_bytes())
        place, box = (tuple(float(side) for side in row[key]) for key in ("place", "box"))
        key, judged_s = (str(row["camera"]), str(row["category"])), float(row["judged_s"])
        right, outcome = row["verdict"] == "confirmed", row.get("outcome", "")
    except (KeyError, TypeError, ValueError) as error:
        log.debug("%s: no example (%s)", path, error)
        return None
    if image is None or len(place) != 4 or len(box) != 4:
        return None
    if not right and outcome in OTHER_OUTCOMES:
        return None
    features = features_of(np.asarray(image, np.uint8), box, place)
    return key, judged_s, Example(features, right)


def _write_opinion(path: Path, opinion: Opinion) -> None:
    rows = {name: [float(v) for v in getattr(opinion, name)] for name in ARRAYS}
    row = {name: getattr(opinion, name) for name in NUMBERS}
    write_atomic(path, _json({"sha256": opinion.sha256, **row, **rows}))
    log.info(
        "%s: second opinion from %d confirmed and %d rejected; left out one at a time it keeps "
        "%.0f %% and removes %.0f %%%s",
        path.stem, opinion.right, opinion.false, 100 * opinion.kept, 100 * opinion.removed,
        "" if opinion.speaks else ": not good enough, it stays silent",
    )  # fmt: skip


ARRAYS = ("weights", "mean", "scale")
NUMBERS = ("limit", "right", "false", "kept", "removed")


def read_opinions(state: Path, camera: str) -> dict[str, Opinion]:
    """By category. A damaged file is left out, with a line in the log: the detector stands alone
    then."""
    found = {}
    for path in sorted((state / "learning" / "opinions").glob(f"{camera}--*.json")):
        try:
            row = json.loads(path.read_bytes())
            weights, mean, scale = (np.array(row[name], np.float64) for name in ARRAYS)
            limit, right, false, kept, removed = (row[name] for name in NUMBERS)
            opinion = Opinion(weights, mean, scale, limit, right, false, kept, removed)
            if opinion.sha256 != row["sha256"]:
                raise ValueError("its hash is another")
            found[path.stem.removeprefix(f"{camera}--")] = opinion
        except (OSError, KeyError, TypeError, ValueError) as error:
            log.warning("%s: %s; no second opinion", path, error)
    return found


def located(violation: Path, name: str) -> Path:
    """Where a listed file lies: "r2-clip.mp4" in the folder of revision 2."""
    return violation / name.partition("-")[0] / Path(name).name


def close_box(box: Box) -> Box:
    """Where the subject lies in its close-up, fractions of the crop, which the frame may clip."""
    x1, x2 = _span(box[0], box[2])
    y1, y2 = _span(box[1], box[3])
    return (x1, y1, x2, y2)


def _span(low: float, high: float) -> tuple[float, float]:
    reach = (high - low) * CLOSE_MARGIN
    start, end = max(0.0, low - reach), min(1.0, high + reach)
    size = max(end - start, 1e-9)
    return round((low - start) / size, 4), round((high - start) / size, 4)


def read_judged(folder: Path) -> list[Judged]:
    """Every judged case so far; unreadable lines are left out and counted in the log."""
    path = folder / "judged.jsonl"
    if not path.is_file():
        return []
    judged, bad = decoded_lines(path.read_bytes().splitlines(), Judged)
    if bad:
        log.warning("%s: %d unreadable lines left out", path, bad)
    return judged


def _write_judged(folder: Path, judged: Iterable[Judged]) -> None:
    ordered = sorted(judged, key=lambda one: (one.judged_s, one.violation))
    data = b"".join(msgspec.json.encode(one) + b"\n" for one in ordered)
    write_atomic(folder / "judged.jsonl", data)


def read_offsets(state: Path) -> dict[tuple[str, str], Offset]:
    """By (camera, category): what to add to the configured least score. Empty where nothing was
    learnt or the file is damaged (then what is configured holds)."""
    path = state / "learning" / "offsets.json"
    rows = read_record(path, list[Offset], [], "the configured thresholds hold")
    return {(row.camera, row.category): row for row in rows}


def _move(
    folder: Path, judged: Sequence[Judged], now_s: float, bounds: Bounds | None
) -> tuple[str, ...]:
    held = read_offsets(folder.parent)
    keys = sorted({(one.camera, one.category) for one in judged} | set(held))
    after = {
        key: step(held.get(key, Offset(*key)), judged, now_s=now_s, bounds=bounds) for key in keys
    }
    write_atomic(folder / "offsets.json", _json([asdict(offset) for offset in after.values()]))
    moved = [o for key, o in after.items() if o.value != held.get(key, Offset(*key)).value]
    for offset in moved:
        log.info(
            "%s %s: least score now %+.2f from what is configured (%s)",
            offset.camera, offset.category, offset.value, offset.reason,
        )  # fmt: skip
    return tuple(f"{o.camera}/{o.category} {o.value:+.2f}" for o in moved)


def _write_precision(folder: Path, judged: Iterable[Judged], now_s: float) -> None:
    rows = precision(judged, now_s=now_s, window_s=PRECISION_WINDOW_S)
    data = {"at_s": now_s, "window_s": PRECISION_WINDOW_S, "rows": [asdict(row) for row in rows]}
    write_atomic(folder / "precision.json", _json(data))


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


class Harvest:
    """Keeps crops that are worth labelling for one camera. One owner: the thread that looks."""

    def __init__(self, folder: Path, camera: str, budget: Budget | None = None) -> None:
        self._folder, self._camera = folder / camera, camera
        self._budget = budget or Budget()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._kept_at_s, self._bytes = held(self._folder)
        self._last_s: dict[tuple[str, str], float] = {}

    def offer(
        self,
        image: Image,
        wish: HarvestCandidate,
        others: Sequence[Box],
        at: Stamp,
        *,
        gap_s: float = 600.0,
    ) -> Path | None:
        """Keep one crop if the budget allows; the same class for the same reason at most every
        `gap_s`. `others`: people not concerned. Raises OSError."""
        key = (wish.why, wish.label)
        if at.wall - self._last_s.get(key, -1e18) < gap_s:
            return None
        if not allowed(self._budget, self._kept_at_s, self._bytes, now_s=at.wall):
            return None
        part, box = crop(image, wish.box, others)
        ok, data = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not ok:
            return None
        self._last_s[key] = at.wall
        return self._write(wish, box, at, data.tobytes())

    def _write(self, wish: HarvestCandidate, box: Box, at: Stamp, data: bytes) -> Path:
        name = f"{int(at.wall * 1000)}-{wish.why}-{wish.label}"
        row = {
            "camera": self._camera,
            "at_s": at.wall,
            "why": wish.why,
            "label": wish.label,
            "score": round(wish.score, 4),
            "box": [round(side, 4) for side in box],
        }
        path = self._folder / f"{name}.jpg"
        write_atomic(path, data)
        text = _json(row)
        write_atomic(path.with_suffix(".json"), text)
        self._kept_at_s.append(at.wall)
        self._bytes += len(data) + len(text)
        return path

    @property
    def limit_mb(self) -> float | None:
        """The megabytes that may be kept where they are; None while there is room for more."""
        most = self._budget.megabytes
        return most if self._bytes >= most * 1e6 else None

    def sweep(self, *, now_s: float) -> int:
        """Delete what is older than the budget allows; returns how many crops went."""
        gone = delete_old(self._folder, now_s=now_s, keep_days=self._budget.keep_days)
        self._kept_at_s, self._bytes = held(self._folder)
        return gone
