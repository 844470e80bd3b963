# SPDX-License-Identifier: AGPL-3.0-or-later
"""How a model is opened on this board: what `edge model tune` found best, where it found it.

    <state>/models/tuned.json    by the hash of a manifest's words; edge.release.tuning writes it

A choice holds for the manifest and the board that it was measured with. With another release, other
packages or another processor it is no choice any more, and the model is opened as the device file
says; what the device file forces is never overruled.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
from pathlib import Path

import msgspec

from edge.config import ConfigError
from edge.config.device import Compute, Provider
from edge.config.site import Part
from edge.jsonfile import read_record
from edge.runtime import make_folder, write_atomic
from edge.vision.inference import cores
from edge.vision.model import Model
from edge.vision.proof import open_model

log = logging.getLogger(__name__)

FILE = "tuned.json"
# Of the releases that may come back into force; older choices go.
KEPT = 8
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "openvino", "ncnn")


class Opening(Part, frozen=True, kw_only=True):
    """What runs which file of a model, and for how many threads that call at once (0: one for each
    core). variant: of the manifest; None is its own file."""

    provider: Provider = "auto"
    variant: str | None = None
    workers: int = 0


class MeasuredForm(Part, frozen=True, kw_only=True):
    """One opening as it was measured. times: how many times as fast as the manifest's own file on
    the processor, in turns: by CPU time of a picture where the processor works, else by pictures a
    second of all workers. `said`: how its boxes compare with those known, or why it cannot be used
    (`ok` false)."""

    opening: Opening
    ok: bool
    said: str
    input: tuple[int, int] = (0, 0)
    times: float = 0.0
    pictures_per_s: float = 0.0
    cpu_ms: float = 0.0


class Choice(Part, frozen=True, kw_only=True):
    """The best of what was measured. `board`: see :func:`board`; `at`: UTC, RFC 3339."""

    model: str
    opening: Opening
    board: str
    at: str
    measured: tuple[MeasuredForm, ...]


def board() -> str:
    """What a measurement holds for: processor, cores, versions of the runtimes."""
    versions = []
    for package in RUNTIMES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return "; ".join((_processor(), f"{cores()} core(s)", *versions))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown processor"
    named = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    return (
        named.get("model name") or named.get("Model") or named.get("CPU part", "unknown processor")
    )


def named(manifest: Path) -> str:
    """The hash of a manifest's words, which name every file of the model by its own. Raises
    ConfigError where it cannot be read."""
    try:
        return hashlib.sha256(manifest.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{manifest}: {error.strerror or error}") from None


def read_choices(folder: Path) -> dict[str, Choice]:
    """By manifest (:func:`named`). A damaged file holds no choice, and says so."""
    then = "models are opened as the device file says"
    return read_record(folder / FILE, dict[str, Choice], {}, then)


def write_choice(folder: Path, manifest: Path, choice: Choice) -> None:
    """Put a choice in the place of one for the same manifest. Raises OSError, ConfigError."""
    this, before = named(manifest), read_choices(folder)
    others = sorted(before.keys() - {this}, key=lambda key: before[key].at)[1 - KEPT :]
    # Whatever the clock says, the one just measured stays.
    kept = {**{key: before[key] for key in others}, this: choice}
    make_folder(folder)
    write_atomic(folder / FILE, msgspec.json.format(msgspec.json.encode(kept), indent=1))


def choice_for(folder: Path, manifest: Path) -> Choice | None:
    """What holds for this manifest on this board, or None. Raises ConfigError."""
    choices = read_choices(folder)
    choice = choices.get(named(manifest)) if choices else None
    return choice if choice is not None and choice.board == board() else None


def tuned_before(folder: Path, model: str, manifest: Path) -> bool:
    """Whether this model was measured here once, and that does not hold any more: another release,
    other runtimes. Raises ConfigError."""
    known = any(choice.model == model for choice in read_choices(folder).values())
    return known and choice_for(folder, manifest) is None


def opening_for(folder: Path, manifest: Path, compute: Compute) -> Opening:
    """The choice, as far as the device file leaves one. Raises ConfigError."""
    configured = Opening(provider=compute.provider, workers=compute.workers)
    choice = choice_for(folder, manifest)
    if choice is None or compute.provider not in ("auto", choice.opening.provider):
        return configured
    workers = compute.workers or choice.opening.workers
    return msgspec.structs.replace(choice.opening, workers=workers)


def open_chosen(folder: Path, manifest: Path, compute: Compute) -> Model:
    """The model, opened in the form that was chosen; as the device file says where that one no
    longer opens. folder: of choices. Raises ConfigError."""
    configured = Opening(provider=compute.provider, workers=compute.workers)
    best = opening_for(folder, manifest, compute)
    if best != configured:
        try:
            return _open(manifest, best)
        except ConfigError as error:
            log.warning("%s: the chosen form does not open: %s", manifest, error)
    return _open(manifest, configured)


def _open(manifest: Path, how: Opening) -> Model:
    return open_model(manifest, provider=how.provider, workers=how.workers, variant=how.variant)
