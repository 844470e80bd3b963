# SPDX-License-Identifier: AGPL-3.0-or-later
"""A model is opened in a process apart first: a runtime may crash on a file instead of refusing it.

ONNX Runtime dies by SIGSEGV on some graphs whose protobuf is sound, within the opening. Whoever
serves cameras lets a child die of that and refuses the file.
"""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from edge.config import ConfigError
from edge.config.device import Provider
from edge.vision.model import Model, load_model
from edge.vision.traits import TraitModel, open_traits, traits_path

# A TensorRT engine is built within the opening, which takes minutes.
LIMIT_S = 1800.0
# In the place of a variant: the second classifier beside the manifest's detector.
TRAITS = "traits:"
_PROVED: set[tuple[str, Provider, str | None]] = set()


def survive(
    manifest: Path, provider: Provider, variant: str | None = None, *, limit_s: float = LIMIT_S
) -> None:
    """Open the model of a manifest in a child, which may die of it.

    Raises ConfigError where the child did, or took longer than `limit_s`. A model that is refused
    in words is refused again, and with these words, by whoever opens it next.
    """
    run_apart(__name__, [str(manifest), provider, variant or ""], of=manifest, limit_s=limit_s)


def run_apart(module: str, words: Sequence[str], *, of: Path, limit_s: float) -> bytes:
    """What a module of ours prints, run in a child that may die of a model.

    Raises ConfigError, which names the manifest `of`, where the child was killed by a signal or
    took longer than `limit_s`.
    """
    argv = [sys.executable, "-m", module, *words]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{of}: opening the model takes over {limit_s:.0f} s") from None
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise ConfigError(
            f"{of}: not a usable model: the runtime crashes when it opens it ({name})"
        )
    return done.stdout


def open_model(
    manifest: Path, *, provider: Provider = "auto", workers: int = 0, variant: str | None = None
) -> Model:
    """What :func:`load_model` gives, once a child has survived the opening: the one way in which
    commands and daemons open a model. The same file is proved once by a process. Raises ConfigError
    for what does not fit, or crashes the runtime."""
    _prove(manifest, manifest, provider, variant)
    return load_model(manifest, provider=provider, workers=workers, variant=variant)


def open_second_classifier(detector: Path, provider: Provider) -> TraitModel | None:
    """The classifier beside a detector's manifest, like :func:`open_model`; None where there is
    none. Raises ConfigError."""
    if traits_path(detector).is_file():
        _prove(traits_path(detector), detector, provider, TRAITS)
    return open_traits(detector, provider)


def _prove(named_by: Path, manifest: Path, provider: Provider, variant: str | None) -> None:
    """named_by: the manifest that names the weights by their hash: with the same words it is the
    same network."""
    try:
        words = hashlib.sha256(named_by.read_bytes()).hexdigest()
    except OSError:
        # Who opens it says what is wrong with it.
        return
    named = (words, provider, variant)
    if named not in _PROVED:
        survive(manifest, provider, variant)
        _PROVED.add(named)


def main(manifest: str, provider: Provider, variant: str) -> None:
    with suppress(ConfigError):
        if variant == TRAITS:
            open_traits(Path(manifest), provider)
            return
        load_model(Path(manifest), provider=provider, workers=1, variant=variant or None)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])  # type: ignore[arg-type]
