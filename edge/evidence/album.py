# SPDX-License-Identifier: AGPL-3.0-or-later
"""Provisional pictures: taken while a candidate's clock runs, kept or thrown away later.

Each candidate has a folder below the album's root with its JPEGs and an `album.json`, so that a
restart loses neither the first picture of a stall nor its time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from edge.config import Recipe
from edge.evidence.pictures import Shot, crop, measure, spacing_s, with_strip, with_ticks
from edge.evidence.pictures import plate as plate_of
from edge.runtime import write_atomic
from edge.values import Box, Candidate, Frame, Image, Role, Stamp

log = logging.getLogger(__name__)

JPEG_QUALITY = 90
# A close-up is replaced by a look that shows the subject this many times as large in area.
CLOSE_BETTER = 1.2
# Pictures of the last minute, one a second: a "before" is only known afterwards.
HISTORY_S = 60.0
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
HISTORY_EVERY_S = 1.0
# Of 1080p a picture takes 0.6 MB: all sixty of them were more than everything else of a camera.
HISTORY_BYTES = 12_000_000


def jpeg(image: Image, quality: int = JPEG_QUALITY) -> bytes:
    """The picture as JPEG bytes. Raises ValueError where OpenCV cannot encode it."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"cannot encode a picture of shape {image.shape}")
    return data.tobytes()


@dataclass(frozen=True, slots=True)
class AlbumPicture:
    """One finished JPEG on disk and what the gate must know of it."""

    path: Path
    shot: Shot
    size: int


class RecentFrames:
    """The last minute of one camera as JPEGs in memory: a "before" is only known afterwards.

    One a second where they fit into `bytes_most`; else the older, the further apart.
    """

    def __init__(
        self,
        *,
        every_s: float = HISTORY_EVERY_S,
        keep_s: float = HISTORY_S,
        bytes_most: int = HISTORY_BYTES,
    ) -> None:
        self._every_s, self._keep_s, self._bytes_most = every_s, keep_s, bytes_most
        self._frames: deque[tuple[Stamp, bytes]] = deque()
        self.bytes = 0

    def look(self, frame: Frame) -> None:
        """Keep the frame as JPEG, unless one was kept a moment ago; forget what is too old."""
        if self._frames and frame.at.mono - self._frames[-1][0].mono < self._every_s:
            return
        data = jpeg(frame.image, 95)
        self._frames.append((frame.at, data))
        self.bytes += len(data)
        while frame.at.mono - self._frames[0][0].mono > self._keep_s:
            self._forget(0)
        while self.bytes > self._bytes_most and len(self._frames) > 1:
            self._forget(self._least_missed(frame.at.mono))

    def _forget(self, index: int) -> None:
        self.bytes -= len(self._frames[index][1])
        del self._frames[index]

    def _least_missed(self, now_s: float) -> int:
        """The one without which the gap is smallest for its age; of two the older."""
        times = [at.mono for at, _ in self._frames]
        gaps = {
            index: (times[index + 1] - times[index - 1]) / (now_s - times[index])
            for index in range(1, len(times) - 1)
        }
        return min(gaps, key=gaps.__getitem__, default=0)

    def nearest(self, mono: float) -> tuple[Stamp, Image] | None:
        """The kept picture closest to that instant, or None while there is none. Where pictures are
        further apart the one before it: what is to be shown without may have come meanwhile."""
        if not self._frames:
            return None
        at, data = min(self._frames, key=lambda kept: abs(kept[0].mono - mono))
        if at.mono - mono >= self._every_s:
            earlier = [kept for kept in self._frames if kept[0].mono <= mono]
            at, data = earlier[-1] if earlier else (at, data)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None, "a JPEG of our own"
        return at, image.astype(np.uint8, copy=False)


class Album:
    """All provisional pictures of one camera. One owner: the evidence writer."""

    def __init__(self, root: Path, caption: Callable[[Stamp, str], list[str]]) -> None:
        self._root, self.caption = root, caption
        self._pages: dict[str, _CandidatePictures] = {}
        self.quality = JPEG_QUALITY
        root.mkdir(parents=True, exist_ok=True)

    def restore(self, now: Stamp) -> list[str]:
        """Read pages left by the last run; their instants are moved onto today's clock by wall."""
        for path in sorted(self._root.glob("*/album.json")):
            try:
                page = _CandidatePictures.read(path, now)
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("%s: %s; the page is thrown away", path, error)
                shutil.rmtree(path.parent, ignore_errors=True)
            else:
                self._pages[page.key] = page
        return list(self._pages)

    def look(self, frame: Frame, candidate: Candidate, recipe: Recipe) -> bool:
        """Take what is due of this candidate from this frame; whether anything was. Raises OSError
        (disk)."""
        page = self._page(candidate.key)
        if not candidate.seen:
            return False
        taken = len(page.pictures)
        close = page.close_size
        if _overview_due(page, frame.at, recipe, candidate.due_s):
            self.take(candidate.key, "overview", frame.at, frame.image, candidate.box, candidate)
        if recipe.close:
            self._better_close(page, frame, candidate)
        return len(page.pictures) > taken or page.close_size > close

    def take(
        self, key: str, role: Role, at: Stamp, image: Image, box: Box | None, of: Candidate | str
    ) -> AlbumPicture:
        """Store one picture of this role now: whole with ticks, or cropped for close and plate.

        box None: a whole picture without ticks, where nobody knows where the subject stood.
        """
        page = self._page(key)
        category = of if isinstance(of, str) else of.category
        plain = _framed(role, image, box)
        lines = self.caption(at, category)
        quality = measure(image)
        whole = with_strip(plain, lines)
        scene = ((whole.shape[1] - plain.shape[1]) // 2, plain.shape[1], plain.shape[0])
        shot = Shot(role, at, quality, box or WHOLE, scene)
        return page.add(shot, jpeg(whole, self.quality))

    def pictures(self, key: str) -> tuple[AlbumPicture, ...]:
        page = self._pages.get(key)
        return tuple(page.pictures) if page else ()

    def drop(self, key: str) -> None:
        page = self._pages.pop(key, None)
        if page:
            shutil.rmtree(page.folder, ignore_errors=True)

    def keep_only(self, keys: Iterable[str]) -> None:
        """Throw away the pages of candidates that came to nothing."""
        for key in set(self._pages) - set(keys):
            self.drop(key)

    def _page(self, key: str) -> _CandidatePictures:
        if key not in self._pages:
            slug = hashlib.sha256(key.encode()).hexdigest()[:16]
            self._pages[key] = _CandidatePictures(key, self._root / slug)
        return self._pages[key]

    def _better_close(self, page: _CandidatePictures, frame: Frame, candidate: Candidate) -> None:
        """Keep the largest, sharpest look at the subject; each replacement must be clearly so."""
        box = candidate.box
        size = (box[2] - box[0]) * (box[3] - box[1])
        if size <= page.close_size * CLOSE_BETTER:
            return
        page.forget("close")
        page.close_size = size
        self.take(candidate.key, "close", frame.at, frame.image, box, candidate)


def _framed(role: Role, image: Image, box: Box | None) -> Image:
    """The part of the picture that this role shows."""
    if box is None or role in ("before", "after"):
        return image
    if role == "close":
        return crop(image, box)
    if role == "plate":
        return crop(image, plate_of(box), margin=0.05)
    return with_ticks(image, box)


def _overview_due(page: _CandidatePictures, at: Stamp, recipe: Recipe, due_s: float) -> bool:
    """The first at once, the others spread over the dwell; the last is taken at the decision."""
    taken = [p.shot.at.mono for p in page.pictures if p.shot.role == "overview"]
    if not taken:
        return True
    if len(taken) >= max(1, recipe.overviews - 1):
        return False
    gap_s = max(spacing_s(recipe, due_s), due_s / max(1, recipe.overviews - 1))
    return at.mono - taken[-1] >= min(gap_s, max(spacing_s(recipe, due_s), due_s * 0.9))


class _CandidatePictures:
    """The pictures of one candidate."""

    def __init__(self, key: str, folder: Path) -> None:
        self.key, self.folder = key, folder
        self.pictures: list[AlbumPicture] = []
        self.close_size = 0.0
        self._count = 0

    def add(self, shot: Shot, data: bytes) -> AlbumPicture:
        """Write one picture into the page's folder and note it; survives a restart, not a power
        cut (a candidate is not evidence yet)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._count += 1
        path = self.folder / f"{self._count:03d}-{shot.role}.jpg"
        write_atomic(path, data, durable=False)
        picture = AlbumPicture(path, shot, len(data))
        self.pictures.append(picture)
        self._write()
        return picture

    def forget(self, role: Role) -> None:
        for picture in [p for p in self.pictures if p.shot.role == role]:
            picture.path.unlink(missing_ok=True)
            self.pictures.remove(picture)

    def _write(self) -> None:
        rows = [
            {"file": p.path.name, "size": p.size, "shot": asdict(p.shot)} for p in self.pictures
        ]
        body = {"key": self.key, "count": self._count, "close": self.close_size, "pictures": rows}
        write_atomic(self.folder / "album.json", json.dumps(body).encode())

    @staticmethod
    def read(path: Path, now: Stamp) -> _CandidatePictures:
        """A page as it was written; pictures that did not reach the disk are left out: a power cut
        leaves them empty or short, or without a name."""
        body = json.loads(path.read_bytes())
        page = _CandidatePictures(str(body["key"]), path.parent)
        page._count, page.close_size = int(body["count"]), float(body["close"])
        for row in body["pictures"]:
            picture = _picture(path.parent, row, now)
            if picture.path.is_file() and picture.path.stat().st_size == picture.size:
                page.pictures.append(picture)
        if all(picture.shot.role != "close" for picture in page.pictures):
            page.close_size = 0.0
        return page


def _picture(folder: Path, row: dict[str, Any], now: Stamp) -> AlbumPicture:
    return AlbumPicture(folder / str(row["file"]), shot_from(row["shot"], now), int(row["size"]))


def shot_from(row: dict[str, Any], now: Stamp) -> Shot:
    """A shot as stored, its instant on this boot's clock. Raises ValueError for another shape."""
    shot = msgspec.convert(row, Shot)
    return replace(shot, at=rebased(shot.at, now))


def rebased(at: Stamp, now: Stamp) -> Stamp:
    """A stored instant on this boot's monotonic clock, by the distance of the wall clocks."""
    return Stamp(now.mono - (now.wall - at.wall), at.wall, at.quality, at.error_ms)
