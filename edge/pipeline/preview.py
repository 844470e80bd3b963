# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the page can see of a camera: a small picture now and then, and an hour of track history.

Both lie in the run directory, so they cost no card. Pictures are made often only while somebody
looks: the page keeps touching `<run>/preview/<camera>.want`.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import cv2

from edge import journal
from edge.config import Camera
from edge.pipeline.analyzer import Analysis
from edge.runtime import no_room, write_atomic
from edge.values import Candidate, Track

WIDTH = 640
WATCHED_EVERY_S = 0.45
IDLE_EVERY_S = 10.0
WANTED_FOR_S = 5.0
TRACKS_EVERY_S = 1.0
TRACKS_FILE_S = 1800.0


class Preview:
    """The preview and track files of one camera. One owner: the thread that looks."""

    def __init__(self, run: Path, camera: Camera) -> None:
        self._camera = camera
        self._preview = run / "preview"
        self._tracks = run / "tracks"
        for folder in (self._preview, self._tracks):
            folder.mkdir(parents=True, exist_ok=True)
        self._pictured = self._traced = self._file_began = -1e9
        self._empty = True

    def show(self, look: Analysis) -> None:
        """Write what is due: pictures by the looker's clock, tracks by the time of the frames, for
        a recording is looked at faster than it was filmed."""
        try:
            self._show(look, time.monotonic())
        except OSError as error:
            if not no_room(error):
                raise

    def _show(self, look: Analysis, now: float) -> None:
        every_s = WATCHED_EVERY_S if self.wanted() else IDLE_EVERY_S
        if now - self._pictured >= every_s:
            self._pictured = now
            self._picture(look)
        if self._trace_due(look):
            self._traced, self._empty = look.frame.at.mono, not look.tracks
            self._trace(look, now)

    def _trace_due(self, look: Analysis) -> bool:
        """Once a second while something is there, and once when it has gone."""
        since_s = look.frame.at.mono - self._traced
        return not 0.0 <= since_s < TRACKS_EVERY_S and not (self._empty and not look.tracks)

    def wanted(self) -> bool:
        """Whether somebody looks at the page."""
        try:
            asked = (self._preview / f"{self._camera.id}.want").stat().st_mtime
        except FileNotFoundError:
            return False
        # A touch from before the clock was set back lies in the future, for hours maybe.
        return abs(time.time() - asked) < WANTED_FOR_S

    def _picture(self, look: Analysis) -> None:
        image = look.frame.image
        height = max(1, round(WIDTH * image.shape[0] / image.shape[1]))
        small = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
        done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 75])
        if not done:
            return
        name = self._camera.id
        write_atomic(self._preview / f"{name}.jpg", data.tobytes(), durable=False)
        body = json.dumps(look_row(look), ensure_ascii=False, separators=(",", ":")).encode()
        write_atomic(self._preview / f"{name}.json", body, durable=False)

    def _trace(self, look: Analysis, now: float) -> None:
        """Two files of half an hour each; the older one is replaced."""
        path = self._tracks / f"{self._camera.id}.jsonl"
        if now - self._file_began > TRACKS_FILE_S:
            self._file_began = now
            if path.exists():
                path.replace(path.with_suffix(".old.jsonl"))
        row = {
            "mono": round(look.frame.at.mono, 3),
            "wall": round(look.frame.at.wall, 3),
            "tracks": [track_row(t) for t in look.tracks],
        }
        journal.append(path, [json.dumps(row, separators=(",", ":"))], durable=False)


def look_row(look: Analysis) -> dict[str, Any]:
    """A look as JSON for the page: tracks, running clocks, findings of this instant."""
    at = look.frame.at
    height, width = look.frame.image.shape[:2]
    return {
        "camera": look.frame.camera,
        "seq": look.frame.seq,
        "mono": at.mono,
        "wall": at.wall,
        "width": width,
        "height": height,
        "tracks": [track_row(t) for t in look.tracks],
        "candidates": [candidate_row(c) for c in look.judgement.candidates],
    }


def track_row(track: Track) -> dict[str, Any]:
    """One track as previews and track history show it; box in fractions of the frame."""
    traits = {"traits": [[n, round(p, 3)] for n, p in track.traits]} if track.traits else {}
    return {
        "id": track.id,
        "label": track.label,
        "score": round(track.score, 3),
        "box": [round(v, 4) for v in track.box],
        "coasted": track.coasted,
        **traits,
    }


def candidate_row(candidate: Candidate) -> dict[str, Any]:
    """A running clock for the page: held so many seconds, due after so many."""
    return {
        "key": candidate.key,
        "category": candidate.category,
        "rule": candidate.rule,
        "box": [round(v, 4) for v in candidate.box],
        "held_s": round(candidate.held_s, 1),
        "due_s": round(candidate.due_s, 1),
    }
