# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which form of a model is best on this board: every one that can run here is measured, in time and
against known boxes, and the fastest that sees the same is chosen.

Each form is opened and measured in a process apart: one that crashes, gives no finite number or
sees other things is one line of the report. There the manifest's own file on the processor is
measured in turns with it, so that a busy board slows both.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import numpy as np

from edge.config import ConfigError
from edge.config.device import Compute, Provider
from edge.config.shipped import shipped
from edge.jsonfile import decoded
from edge.release.selftest import check_boxes, known_picture
from edge.values import Image
from edge.vision.choice import Choice, MeasuredForm, Opening, board, write_choice
from edge.vision.inference import cores
from edge.vision.manifest import Manifest, SelfTest, read_manifest
from edge.vision.model import MOST_WORKERS, Model, load_model
from edge.vision.pace import measure
from edge.vision.proof import LIMIT_S, run_apart
from edge.vision.session import onnx_providers

# A form must give so many times the pictures of the plain one to be worth being another file.
WORTH = 1.1
# Differences below this are not shown by such a measurement: the first one listed stays.
ALIKE = 1.05
ROUNDS, SECONDS = 5, 3.0
SIZE = (720, 1280, 3)
ON_PROCESSOR = ("cpu", "openvino", "ncnn")


@dataclass(frozen=True, slots=True)
class RunnableForm:
    """A file of the manifest (None: its own) and what runs it."""

    provider: Provider
    variant: str | None


def forms(manifest: Manifest, provider: Provider) -> list[RunnableForm]:
    """The plain one first: every file of the manifest with all that may run it here. provider:
    "auto", or the only one that is wanted."""
    files: list[tuple[str | None, str]] = [(None, manifest.file)]
    files += [(name, one.file) for name, one in manifest.variants.items()]
    found = [
        RunnableForm(runtime, variant) for variant, file in files for runtime in _runtimes(file)
    ]
    return [form for form in found if provider in ("auto", form.provider)]


def _runtimes(file: str) -> tuple[Provider, ...]:
    if file.endswith(".onnx"):
        # The order of "auto" is fastest first; here the plain processor leads.
        return tuple(sorted(onnx_providers(), key=lambda name: name != "cpu"))
    if file.endswith(".param") and importlib.util.find_spec("ncnn"):
        return ("ncnn",)
    return ()


def worker_counts(provider: Provider, wanted: int) -> list[int]:
    """How many threads may call at once: one for each core, fewer with more cores each, or what is
    wanted (0: all of these). An accelerator is fed by one or two."""
    if wanted:
        return [wanted]
    most = min(cores(), MOST_WORKERS) if provider in ON_PROCESSOR else 2
    return sorted({most, max(1, most // 2), 1}, reverse=True)


def tune(
    path: Path,
    folder: Path,
    compute: Compute,
    *,
    pictures: Path | None = None,
    seconds: float = SECONDS,
    measured: Callable[[MeasuredForm], None] = lambda _: None,
) -> Choice:
    """Measure, choose, and write the choice into `folder`. `measured` is called after each opening,
    which is measured for so many seconds, and the plain one beside it for as many.

    pictures: a folder; else those of the manifest's self-test, or what the program came with.
    Raises ConfigError where no form can be used, OSError for the disk.
    """
    manifest = read_manifest(path)
    listed = forms(manifest, compute.provider)
    if not listed:
        raise ConfigError(f"provider = {compute.provider!r}: runs no file of {path} here")
    rows: list[MeasuredForm] = []
    for form in listed:
        for row in measured_apart(
            path, form, worker_counts(form.provider, compute.workers), pictures
        ):
            rows.append(row)
            measured(row)
    best = choose(rows)
    if best is None:
        raise ConfigError(f"{path}: no form of it can be used here: {rows[0].said}")
    at = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    choice = Choice(
        model=manifest.name or path.stem,
        opening=best.opening,
        board=board(),
        at=at,
        measured=tuple(rows),
    )
    write_choice(folder, path, choice)
    return choice


def choose(rows: Sequence[MeasuredForm]) -> MeasuredForm | None:
    """The fastest that sees what is known. The first one that can be used stays unless another is
    WORTH it, and of those that are alike the first listed."""
    usable = [row for row in rows if row.ok]
    if not usable:
        return None
    fastest = max(row.times for row in usable)
    if fastest < WORTH * usable[0].times:
        return usable[0]
    return next(row for row in usable if row.times * ALIKE >= fastest)


# ---- in a process apart


def measured_apart(
    path: Path,
    form: RunnableForm,
    counts: Sequence[int],
    pictures: Path | None,
    seconds: float = SECONDS,
) -> list[MeasuredForm]:
    """A row for each count of workers; one row that says why where the child died or refused."""
    argv = [str(path), form.provider, form.variant or "", ",".join(map(str, counts)), str(seconds)]
    argv += [str(pictures)] if pictures else []
    unusable = Opening(provider=form.provider, variant=form.variant, workers=counts[0])
    try:
        answer = run_apart(__name__, argv, of=path, limit_s=LIMIT_S)
        return decoded(answer, list[MeasuredForm])
    except (ConfigError, ValueError) as error:
        return [MeasuredForm(opening=unusable, ok=False, said=_short(error))]


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def measured_here(
    path: Path, form: RunnableForm, counts: Sequence[int], pictures: Path | None, seconds: float
) -> Iterator[MeasuredForm]:
    """What the child does: the plain form beside the asked one, in turns."""
    plain = load_model(path, provider="cpu")
    test, folder = known_boxes(plain, read_manifest(path), path, pictures)
    image = np.full(SIZE, 114, np.uint8)
    for count in counts:
        opening = Opening(provider=form.provider, variant=form.variant, workers=count)
        try:
            model = load_model(path, provider=form.provider, workers=count, variant=form.variant)
            said = check_boxes(model, test, folder)
        except ConfigError as error:
            yield MeasuredForm(opening=opening, ok=False, said=_short(error))
        else:
            yield _timed((plain, model), opening, said, image, seconds / ROUNDS)


def known_boxes(
    plain: Model, manifest: Manifest, path: Path, pictures: Path | None
) -> tuple[SelfTest, Path]:
    """What must be seen, and the folder of its pictures: by the publisher's word, or else by what
    the plain form sees here. Raises ConfigError where there is no picture."""
    if manifest.selftest is not None and pictures is None:
        return manifest.selftest, path.parent
    folder = pictures or _shipped_pictures()
    found = sorted(file for file in folder.glob("*") if file.suffix in (".jpg", ".png"))
    if not found:
        raise ConfigError(f"{folder}: no .jpg or .png in it to compare boxes on")
    return SelfTest(pictures=tuple(known_picture(plain, file) for file in found)), folder


def _shipped_pictures() -> Path:
    try:
        return shipped("models/selftest")
    except FileNotFoundError as error:
        raise ConfigError(f"{error}; name a folder with --pictures") from None


def _timed(
    both: tuple[Model, Model], opening: Opening, said: str, image: Image, round_s: float
) -> MeasuredForm:
    """The plain model and the one asked about, in turns."""
    pairs = [
        [measure(one, image, seconds=round_s, progress=lambda _: None) for one in both]
        for _ in range(ROUNDS)
    ]
    # Where the processor works its time is what is scarce, and a busy board does not change it.
    if opening.provider in ON_PROCESSOR:
        times = statistics.median(old.cpu_ms / new.cpu_ms for old, new in pairs)
    else:
        times = statistics.median(new.pictures_per_s / old.pictures_per_s for old, new in pairs)
    return MeasuredForm(
        opening=opening,
        ok=True,
        said=said,
        input=both[1].shape_for(image),
        times=round(times, 3),
        pictures_per_s=round(statistics.median(new.pictures_per_s for _, new in pairs), 2),
        cpu_ms=round(statistics.median(new.cpu_ms for _, new in pairs), 2),
    )


def main(words: Sequence[str]) -> None:
    """MANIFEST PROVIDER VARIANT WORKERS[,WORKERS] SECONDS [PICTURES]: the rows as JSON."""
    path, provider, variant, counts, seconds, *pictures = words
    form = RunnableForm(msgspec.convert(provider, Provider), variant or None)
    where = Path(pictures[0]) if pictures else None
    workers = [int(count) for count in counts.split(",")]
    try:
        rows = list(measured_here(Path(path), form, workers, where, float(seconds)))
    except ConfigError as error:
        opening = Opening(provider=form.provider, variant=form.variant)
        rows = [MeasuredForm(opening=opening, ok=False, said=_short(error))]
    sys.stdout.buffer.write(msgspec.json.encode(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
