"""Training pictures: several of a data set's on one canvas, moved, coloured, worsened, with plumes.

Everything is drawn from one generator a sample, so that sample n of a run is the same picture on
every machine and after every restart.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.values import Image
from tools.training.collection import Collection, Item, read_labels
from tools.training.cutouts import Cutout, paste
from tools.training.plumes import Sprite, grow_library, lay
from tools.training.progress import progress
from tools.training.settings import Mix, Picture

PAD = 114
LONG_SIDE = 768  # cached pictures are no larger: the input is 640 wide
SMALLEST_PX = 3.0  # boxes thinner than this on the canvas are dropped
LEAST_VISIBLE = 0.3  # of a box's area, inside the canvas
MOST_HIDDEN = 0.65  # of a box's area, by a cut-out pasted over it
# Under its umbrella a grill is, from above, any stall: the label would teach confusion.
HIDDEN_FROM_ABOVE = ("grill",)
LEAST_TRANSPLANT_PX = 20  # short side; smaller ones are smears
SEEN_FROM_ABOVE = ("aerial_stalls", "drone_trucks")


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A cached picture. boxes: (n, 4) xyxy fractions; labels: (n,); unlabelled: (classes,) bool."""

    item: Item
    image: Image
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    unlabelled: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One training picture: image (h, w, 3) BGR; boxes xyxy px; `silent`: classes not judged."""

    image: Image
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    silent: NDArray[np.bool_]


def load_shots(collection: Collection, split: str) -> list[Shot]:
    """Every readable picture of a split, decoded and reduced, in memory (about 1 MB each)."""
    items = [item for item in collection.items if item.split == split]
    shots = []
    for item in progress(items, len(items), f"load {collection.root.name}"):
        image = cv2.imread(str(collection.image(item)))
        if image is None:
            print(f"{collection.image(item)}: unreadable, left out", flush=True)
            continue
        shots.append(_shot(collection, item, image))
    return shots


def _shot(collection: Collection, item: Item, image: Image) -> Shot:
    scale = LONG_SIDE / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    names = collection.names
    labels, _ = read_labels(collection.label(item), len(names))
    boxes = np.array([label.xyxy for label in labels], np.float32).reshape(-1, 4)
    unlabelled = np.array([name in item.unlabelled for name in names])
    return Shot(item, image, boxes, np.array([x.label for x in labels], np.int64), unlabelled)


class Mixer:
    """Draws training samples from several sets in stated shares."""

    def __init__(
        self,
        shelves: list[tuple[Mix, list[Shot]]],
        picture: Picture,
        names: tuple[str, ...],
        seed: int,
        cutouts: list[Cutout],
    ) -> None:
        self._picture, self._names, self._seed = picture, names, seed
        self._shots = [shot for _, shots in shelves for shot in shots]
        self._odds = np.concatenate([_odds(mix, shots) for mix, shots in shelves])
        self._odds /= self._odds.sum()
        cutouts = [*cutouts, *_transplants(self._shots, names)]
        self._cutouts = {above: _shelve(cutouts, above) for above in (False, True)}
        self._sprites = grow_library(np.random.default_rng([seed, 7]), 120)

    def __len__(self) -> int:
        return len(self._shots)

    def sample(self, number: int) -> Sample:
        """Sample `number` of this run: always the same."""
        rng = np.random.default_rng([self._seed, number])
        picture = self._picture
        canvas = np.full((picture.height, picture.width, 3), PAD, np.uint8)
        boxes, labels, silent = [], [], np.zeros(len(self._names), bool)
        for region in _regions(picture, rng):
            shot = self._shots[rng.choice(len(self._shots), p=self._odds)]
            inner, placed, kept = _place(canvas, region, shot, picture, rng)
            boxes.append(placed)
            labels.append(shot.labels[kept])
            missing = shot.unlabelled.copy()
            missing[shot.labels[kept]] = False
            silent |= missing
            if shot.item.origin == "real":
                self._enrich(canvas, inner, shot, boxes, labels, rng)
        every = np.concatenate(boxes), np.concatenate(labels)
        return Sample(_spoil(canvas, picture, rng), *every, silent)

    def _enrich(
        self,
        canvas: Image,
        region: Region,
        shot: Shot,
        boxes: list[NDArray[np.float32]],
        labels: list[NDArray[np.int64]],
        rng: Generator,
    ) -> None:
        """Rendered things on a photograph, and sometimes a plume over all."""
        if rng.random() < self._picture.cutouts:
            for _ in range(rng.choice([1, 1, 2, 3])):
                self._cutout(canvas, region, shot, boxes, labels, rng)
        if rng.random() < self._picture.plumes:
            self._plume(canvas, region, shot, boxes, labels, rng)

    def _cutout(
        self,
        canvas: Image,
        region: Region,
        shot: Shot,
        boxes: list[NDArray[np.float32]],
        labels: list[NDArray[np.int64]],
        rng: Generator,
    ) -> None:
        pools = self._cutouts[shot.item.source in SEEN_FROM_ABOVE]
        if not pools:
            return
        wished = np.array([self._picture.cutout_kinds.get(kind, 0.5) for kind in pools])
        pool = pools[str(rng.choice(list(pools), p=wished / wished.sum()))]
        cutout = pool[rng.integers(len(pool))]
        high, wide = cutout.rgba.shape[:2]
        low, most = (0.06, 0.45) if cutout.above else (0.1, 0.85)
        size = region.height * np.exp(rng.uniform(np.log(low), np.log(most)))
        scale = size / max(high, wide)
        left = rng.uniform(-0.25 * wide * scale, region.width - 0.75 * wide * scale)
        foot = region.height * rng.uniform(0.3, 1.1)
        part = canvas[region.top : region.bottom, region.left : region.right]
        corner = (int(left), int(foot - high * scale))
        if cutout.above:
            cutout = cutout.turned(int(rng.integers(4)))
        found, covered = paste(part, cutout, scale, corner, rng)
        _hide(boxes, labels, covered, region)
        if found:
            offset = [region.left, region.top] * 2
            boxes.append(np.array([box for _, box in found], np.float32) + np.float32(offset))
            labels.append(np.array([self._names.index(name) for name, _ in found], np.int64))

    def _plume(
        self,
        canvas: Image,
        region: Region,
        shot: Shot,
        boxes: list[NDArray[np.float32]],
        labels: list[NDArray[np.int64]],
        rng: Generator,
    ) -> None:
        sprite, label, corner, size = self._choose_plume(region, shot, rng)
        part = canvas[region.top : region.bottom, region.left : region.right]
        box = lay(part, sprite, label, corner, size, rng)
        if box is None or box[2] - box[0] < 10 or box[3] - box[1] < 10:
            return
        seen = np.array([box], np.float32) + [region.left, region.top] * 2
        boxes.append(seen.astype(np.float32))
        labels.append(np.array([self._names.index(label)], np.int64))

    def _choose_plume(
        self, region: Region, shot: Shot, rng: Generator
    ) -> tuple[Sprite, str, tuple[int, int], tuple[int, int]]:
        kinds = self._picture.plume_kinds
        odds = np.array(list(kinds.values()))
        kind = str(rng.choice(list(kinds), p=odds / odds.sum()))
        if kind == "dust" and shot.item.source in SEEN_FROM_ABOVE and rng.random() < 0.6:
            kind = "cloud"
        sprite = self._sprites[kind][rng.integers(len(self._sprites[kind]))]
        label = str(rng.choice(["dust", "smoke"])) if kind == "cloud" else kind
        width = region.width * np.exp(rng.uniform(np.log(0.06), np.log(0.9)))
        low, high = ASPECT[kind]
        height = width * rng.uniform(low, high)
        foot = region.height * rng.uniform(0.35, 1.1)
        left = rng.uniform(-0.3 * width, region.width - 0.7 * width)
        return sprite, label, (int(left), int(foot - height)), (int(width) + 1, int(height) + 1)


def _shelve(cutouts: list[Cutout], above: bool) -> dict[str, list[Cutout]]:
    """Those seen from above or from the ground, by kind."""
    shelves: dict[str, list[Cutout]] = {}
    for cutout in cutouts:
        if cutout.above == above and not (above and cutout.kind in HIDDEN_FROM_ABOVE):
            shelves.setdefault(cutout.kind, []).append(cutout)
    return shelves


def _transplants(shots: list[Shot], names: tuple[str, ...]) -> list[Cutout]:
    """Real muck trucks seen from above as cut-outs: there are few, on few backgrounds."""
    if "muck_truck" not in names:
        return []
    label = names.index("muck_truck")
    found = []
    for shot in shots:
        if shot.item.origin == "real" and shot.item.source == "drone_trucks":
            for box in shot.boxes[shot.labels == label]:
                found += [_transplant(shot.image, box)] if _whole(box) else []
    return [cutout for cutout in found if min(cutout.index.shape) >= LEAST_TRANSPLANT_PX]


def _whole(box: NDArray[np.float32]) -> bool:
    """Not cut by the picture's edge."""
    return bool(box.min() > 0.005 and box.max() < 0.995)


def _transplant(image: Image, box: NDArray[np.float32]) -> Cutout:
    """The box with a feathered border of its own ground."""
    size = np.array([image.shape[1], image.shape[0]] * 2)
    x1, y1, x2, y2 = (box * size).astype(int)
    margin = max(2, round(0.08 * max(x2 - x1, y2 - y1)))
    left, top = max(0, x1 - margin), max(0, y1 - margin)
    part = image[top : y2 + margin, left : x2 + margin]
    index = np.zeros(part.shape[:2], np.uint8)
    index[y1 - top : y2 - top, x1 - left : x2 - left] = 1
    alpha = cv2.blur((index * 255), (2 * margin // 2 + 1,) * 2)[..., None]
    return Cutout(np.concatenate([part, alpha], 2), index, {1: "muck_truck"}, "real", "drone")


def _hide(
    boxes: list[NDArray[np.float32]],
    labels: list[NDArray[np.int64]],
    covered: NDArray[np.bool_],
    region: Region,
) -> None:
    """Drop boxes of this region that a cut-out has mostly covered."""
    total = np.zeros((covered.shape[0] + 1, covered.shape[1] + 1), np.int32)
    total[1:, 1:] = covered.cumsum(0).cumsum(1)
    limit = np.array([covered.shape[1], covered.shape[0]] * 2)
    for number, group in enumerate(boxes):
        inner = np.clip(group - np.float32([region.left, region.top] * 2), 0, limit).astype(int)
        x1, y1, x2, y2 = inner.T
        hidden = total[y2, x2] - total[y1, x2] - total[y2, x1] + total[y1, x1]
        area = (group[:, 2:] - group[:, :2]).prod(1)
        keep = hidden <= MOST_HIDDEN * np.maximum(area, 1)
        boxes[number], labels[number] = group[keep], labels[number][keep]


# Height over width that a plume is laid down with.
ASPECT = {"dust": (0.35, 1.0), "smoke": (0.6, 2.0), "cloud": (0.5, 1.5), "fire": (0.6, 1.8)}


def _odds(mix: Mix, shots: list[Shot]) -> NDArray[np.float64]:
    weights = np.array([mix.weights.get(shot.item.source, 1.0) for shot in shots])
    return weights / max(weights.sum(), 1e-12) * mix.share


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the canvas, px, that one picture fills."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


def _regions(picture: Picture, rng: Generator) -> list[Region]:
    """The whole canvas, two halves side by side, or four parts round a random middle."""
    w, h = picture.width, picture.height
    if rng.random() >= picture.mosaic:
        return [Region(0, 0, w, h)]
    x, y = int(w * rng.uniform(0.35, 0.65)), int(h * rng.uniform(0.35, 0.65))
    if rng.random() < 0.5:
        return [Region(0, 0, x, h), Region(x, 0, w, h)]
    return [Region(0, 0, x, y), Region(x, 0, w, y), Region(0, y, x, h), Region(x, y, w, h)]


def _place(
    canvas: Image, region: Region, shot: Shot, picture: Picture, rng: Generator
) -> tuple[Region, NDArray[np.float32], NDArray[np.bool_]]:
    """Warp a shot into its region; returns what it covers of it, the boxes in canvas px and which
    boxes they are."""
    matrix = _motion(region, shot, picture, rng)
    part = cv2.warpAffine(
        shot.image,
        matrix,
        (region.width, region.height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(PAD, PAD, PAD),
    )
    canvas[region.top : region.bottom, region.left : region.right] = part
    moved = _move(shot.boxes, shot.image.shape, matrix)
    hull = _move(np.array([[0, 0, 1, 1]], np.float32), shot.image.shape, matrix)
    return _inner(region, hull[0]), *_clip(moved, region)


def _inner(region: Region, hull: NDArray[np.float32]) -> Region:
    """The part of a region that a picture with this hull (px of the region) covers."""
    return Region(
        region.left + max(0, int(hull[0])),
        region.top + max(0, int(hull[1])),
        region.left + min(region.width, int(hull[2]) + 1),
        region.top + min(region.height, int(hull[3]) + 1),
    )


def _motion(region: Region, shot: Shot, picture: Picture, rng: Generator) -> NDArray[np.float64]:
    """Scale round the letterbox fit (often exactly it), shift, flip, a little rotation."""
    height, width = shot.image.shape[:2]
    fits = region.width / width, region.height / height
    # A whole canvas is letterboxed as the box does it; in a mosaic grey borders are wasted work.
    fit = min(fits) if region.width == picture.width else float(np.sqrt(fits[0] * fits[1]))
    largest = max(picture.crop, 1.01)
    scale = fit * (rng.uniform(0.9, 1.1) if rng.random() < 0.4 else rng.uniform(0.55, largest))
    angle = np.deg2rad(rng.normal(0, 3)) if rng.random() < 0.3 else 0.0
    flip = -1.0 if rng.random() < 0.5 else 1.0
    if shot.item.source in SEEN_FROM_ABOVE and rng.random() < 0.7:
        angle = rng.integers(4) * np.pi / 2 + angle  # from above, no direction is up
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[flip * cos, -sin], [flip * sin, cos]])
    slack = np.array([region.width - width * scale, region.height - height * scale])
    middle = np.array([region.width, region.height]) / 2 + slack * rng.uniform(-0.5, 0.5, 2)
    shift = middle - turn @ [width / 2, height / 2]
    return np.concatenate([turn, shift[:, None]], 1)


def _move(
    boxes: NDArray[np.float32], shape: tuple[int, ...], matrix: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Fractions of the shot to px of the region; a turned box becomes its upright hull."""
    if not len(boxes):
        return boxes
    size = np.array([shape[1], shape[0]], np.float64)
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) * size
    moved = corners @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([moved.min(1), moved.max(1)], 1).astype(np.float32)


def _clip(
    boxes: NDArray[np.float32], region: Region
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    if not len(boxes):
        return boxes, np.zeros(0, bool)
    limit = np.array([region.width, region.height] * 2, np.float32)
    inside = np.clip(boxes, 0, limit)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    sides = inside[:, 2:] - inside[:, :2]
    kept = (sides.min(1) >= SMALLEST_PX) & (sides.prod(1) >= LEAST_VISIBLE * area)
    offset = np.array([region.left, region.top] * 2, np.float32)
    return (inside + offset)[kept], kept


def _spoil(canvas: Image, picture: Picture, rng: Generator) -> Image:
    """Colour, exposure and what cameras do: haze, blur, noise, JPEG."""
    if rng.random() < picture.colour:
        canvas = _recolour(canvas, rng)
    if rng.random() < picture.worsen:
        canvas = WORSEN[rng.integers(len(WORSEN))](canvas, rng)
    return canvas


def _recolour(canvas: Image, rng: Generator) -> Image:
    hue, saturation, value = rng.uniform(-1, 1, 3) * [0.015, 0.5, 0.4] + [0, 1, 1]
    hsv = cv2.cvtColor(canvas, cv2.COLOR_BGR2HSV)
    steps = np.arange(256, dtype=np.float64)
    table = np.stack(
        [
            (steps + hue * 180) % 180,
            np.clip(steps * saturation, 0, 255),
            np.clip(steps * value, 0, 255),
        ],
        -1,
    ).astype(np.uint8)[None]
    return np.asarray(cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2BGR))


def _haze(canvas: Image, rng: Generator) -> Image:
    """Even fog is neither dust nor smoke: no label."""
    share, grey = rng.uniform(0.1, 0.5), rng.uniform(150, 230)
    return np.asarray(cv2.addWeighted(canvas, 1 - share, np.full_like(canvas, int(grey)), share, 0))


def _blur(canvas: Image, rng: Generator) -> Image:
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.6)))


def _noise(canvas: Image, rng: Generator) -> Image:
    noise = rng.integers(0, int(rng.uniform(6, 26)), canvas.shape, dtype=np.uint8)
    return np.asarray(cv2.add(cv2.subtract(canvas, 6), noise))


def _jpeg(canvas: Image, rng: Generator) -> Image:
    _, data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(25, 80))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


WORSEN = (_haze, _blur, _noise, _jpeg, _jpeg)
