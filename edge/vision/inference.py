# SPDX-License-Identifier: AGPL-3.0-or-later
"""What every inference runtime must offer here, and how it shows that it works on this board."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.config import ConfigError
from edge.config.device import Provider

Tensor = NDArray[np.float32]
Outputs = tuple[NDArray[Any], ...]
Shape = tuple[int, int]


class Session(Protocol):
    """An opened model of one input size. `run` may be called from several threads at once."""

    @property
    def provider(self) -> str: ...

    @property
    def shape(self) -> Shape:
        """(height, width) of the input."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `run` gives; () where the runtime has none."""
        ...

    def run(self, tensor: Tensor) -> Outputs:
        """tensor: float32 (1, 3, height, width)."""
        ...


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """How to open a session. `threads`: per inference; `callers` beside each other share it."""

    path: Path
    shape: Shape
    provider: Provider = "auto"
    threads: int = 1
    cache: Path | None = None
    callers: int = 1


class Unusable(Exception):
    """This provider does not work here; the text says why."""


def prove(session: Session) -> Outputs:
    """One real inference on a grey picture; listing a provider proves nothing about the board.

    Raises Unusable where an output is not finite or there is none.
    """
    tensor = np.full((1, 3, *session.shape), 114 / 255, np.float32)
    outputs = session.run(tensor)
    if not outputs or not all(np.isfinite(np.asarray(one, np.float64)).all() for one in outputs):
        raise Unusable(f"{session.provider}: the test inference gave no finite output")
    return outputs


@contextlib.contextmanager
def one_line(path: Path, *, soft: bool = False) -> Iterator[None]:
    """The runtimes raise types of their own; a person gets one line that names the file.

    soft: raise Unusable, for a provider that has a successor, instead of ConfigError.
    """
    world: tuple[type[Exception], ...] = (RuntimeError, ValueError, TypeError, OSError)
    kinds: tuple[type[Exception], ...] = (Unusable, *world, *_runtime_errors())
    try:
        yield
    except kinds as error:
        text = " ".join(str(error).split())[:240]
        if soft:
            raise Unusable(text) from None
        raise ConfigError(f"{path}: not a usable model: {text}") from None


def _runtime_errors() -> tuple[type[Exception], ...]:
    """onnxruntime's own exceptions derive from Exception and share no other base."""
    try:
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError:
        return ()
    kinds = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile")
    more = ("NotImplemented", "RuntimeException", "EPFail", "NoModel", "EngineError")
    return tuple(getattr(state, kind) for kind in (*kinds, *more) if hasattr(state, kind))


def import_runtime(module: str, extra: str, path: Path) -> Any:
    """The runtime's module. Raises ConfigError naming the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{path.name}: needs the package {module.split('.')[0]!r}, which is not usable here "
            f"({error}); install it with: pip install 'city-edge[{extra}]'"
        ) from None


def cores() -> int:
    """Cores this process may use; what a container or taskset leaves, not what is soldered on."""
    return len(os.sched_getaffinity(0))
