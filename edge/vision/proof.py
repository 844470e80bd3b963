# SPDX-License-Identifier: AGPL-3.0-or-later
"""A model is opened in a process apart first: a runtime may crash on a file instead of refusing it.

ONNX Runtime dies by SIGSEGV on some graphs whose protobuf is sound, within the opening. Whoever
serves cameras lets a child die of that and refuses the file.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from edge.config import ConfigError
from edge.config.device import Provider
from edge.vision.model import load_model

# A TensorRT engine is built within the opening, which takes minutes.
LIMIT_S = 1800.0


def survive(
    manifest: Path, provider: Provider, variant: str | None = None, *, limit_s: float = LIMIT_S
) -> None:
    """Open the model of a manifest in a child, which may die of it.

    Raises ConfigError where the child did, or took longer than `limit_s`. A model that is refused
    in words is refused again, and with these words, by whoever opens it next.
    """
    argv = [sys.executable, "-m", __name__, str(manifest), provider, variant or ""]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{manifest}: opening the model takes over {limit_s:.0f} s") from None
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise ConfigError(
            f"{manifest}: not a usable model: the runtime crashes when it opens it ({name})"
        )


def main(manifest: str, provider: Provider, variant: str) -> None:
    with suppress(ConfigError):
        load_model(Path(manifest), provider=provider, workers=1, variant=variant or None)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])  # type: ignore[arg-type]
