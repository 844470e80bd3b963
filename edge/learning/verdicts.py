# SPDX-License-Identifier: AGPL-3.0-or-later
"""What reviewers said, joined with what the box had said: the raw material of learning. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from edge.clock import instant
from edge.values import Box, Outcome

Said = Literal["confirmed", "rejected"]


class ReviewVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `<state>/reviews/*.jsonl`, from the page (`by`) or the platform (`reviewer`).

    `at` is UTC as ISO 8601. `verdict`: was it what the box said? Only this teaches. `outcome`: what
    becomes of the case, "" for nothing yet. `withdrawn`: takes back the line with the same
    violation, `at` and `by`.
    """

    violation: str
    verdict: Said
    at: str
    reason: str = ""
    revision: int = 0
    outcome: Outcome = ""
    by: str = ""
    reviewer: str = ""
    withdrawn: bool = False

    @property
    def wall_s(self) -> float:
        return instant(self.at).timestamp()


@dataclass(frozen=True, slots=True)
class Close:
    """A close-up: the subject's box in the frame, and where the scene lies in the file (px)."""

    box: Box
    x: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PublishedSubject:
    """What the box had published. `score` is the best of the subject, `limit` the least score
    that counted then; `pictures` are paths below the violation's folder, the unmasked overview
    and close-up ones. `decided_s` is UTC."""

    violation: str
    camera: str
    category: str
    score: float
    limit: float
    box: Box
    decided_s: float
    label: str = ""
    pictures: tuple[str, ...] = ()
    close: Close | None = None


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A case with its verdict: one line of `<state>/learning/judged.jsonl`. Times are UTC s."""

    violation: str
    camera: str
    category: str
    verdict: Said
    score: float
    limit: float
    decided_s: float
    judged_s: float
    reason: str = ""
    outcome: str = ""


def parse_lines(lines: Iterable[bytes]) -> tuple[list[ReviewVerdict], int]:
    """(verdicts, lines that are none). The last line may be torn by a power cut."""
    verdicts, bad = [], 0
    decoder = msgspec.json.Decoder(ReviewVerdict)
    for line in lines:
        if not line.strip():
            continue
        try:
            verdict = decoder.decode(line)
            _ = verdict.wall_s
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            bad += 1
        else:
            verdicts.append(verdict)
    return verdicts, bad


def standing(verdicts: Iterable[ReviewVerdict]) -> list[ReviewVerdict]:
    """Those that nobody took back, in the order given."""
    every = list(verdicts)
    gone = {(v.violation, v.at, v.by) for v in every if v.withdrawn}
    return [v for v in every if (v.violation, v.at, v.by) not in gone]


def latest(verdicts: Iterable[ReviewVerdict]) -> dict[str, ReviewVerdict]:
    """By violation: a reviewer may change their mind, the last word counts."""
    found: dict[str, ReviewVerdict] = {}
    for verdict in verdicts:
        held = found.get(verdict.violation)
        if held is None or verdict.wall_s >= held.wall_s:
            found[verdict.violation] = verdict
    return found


def case_of(manifest: dict[str, Any]) -> PublishedSubject | None:
    """The case of a violation's evidence manifest; None where it is not one of a camera's."""
    try:
        finding, facts = manifest["finding"], manifest["finding"]["facts"]
        x1, y1, x2, y2 = (float(side) for side in finding["box"])
        return PublishedSubject(
            violation=manifest["id"],
            camera=manifest["camera"],
            category=finding["category"],
            score=float(facts.get("best_score", 0.0)),
            limit=float((facts.get("limits") or {}).get("min_score", 0.0)),
            box=(x1, y1, x2, y2),
            decided_s=float(finding["decided"]["wall"]),
            label=str(facts.get("class", "")),
            pictures=_pictures(manifest["files"]),
            close=_close(manifest["shots"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _close(shots: Iterable[dict[str, Any]]) -> Close | None:
    """The newest close-up's subject and the camera's pixels in it; None where there is none."""
    found = [shot for shot in shots if shot["role"] == "close"]
    if not found:
        return None
    x1, y1, x2, y2 = (float(side) for side in found[-1]["box"])
    x, width, height = (int(side) for side in found[-1]["scene"])
    return Close((x1, y1, x2, y2), x, width, height)


def _pictures(files: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    wanted = ("overview", "close", "before", "after")
    return tuple(
        file["path"]
        for file in files
        if file["role"] in wanted and not file.get("masked") and file["path"].endswith(".jpg")
    )


def join(case: PublishedSubject, verdict: ReviewVerdict) -> Judged:
    """A case and what the reviewer said of it as one row of the learning table; times in wall s."""
    return Judged(
        violation=case.violation,
        camera=case.camera,
        category=case.category,
        verdict=verdict.verdict,
        score=case.score,
        limit=case.limit,
        decided_s=case.decided_s,
        judged_s=verdict.wall_s,
        reason=verdict.reason,
        outcome=verdict.outcome,
    )
