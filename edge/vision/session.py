# SPDX-License-Identifier: AGPL-3.0-or-later
"""The only door to the inference runtimes: a float tensor in, the model's raw outputs out.

ONNX Runtime is the one that ships; the others (edge.vision.optional_runtimes) stand behind the same
door.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.config import ConfigError
from edge.config.device import Provider
from edge.runtime import give_back_memory
from edge.vision.inference import (
    Outputs,
    Session,
    SessionRequest,
    Shape,
    Tensor,
    Unusable,
    import_runtime,
    one_line,
    prove,
)
from edge.vision.optional_runtimes import BY_SUFFIX, READ_ONNX, open_ncnn, open_ultralytics

log = logging.getLogger(__name__)

# Fastest first; "auto" takes the first that is installed and passes a real inference.
ONNX_PROVIDERS: dict[Provider, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of itself without being run. `shape` holds None where a side is free."""

    shape: tuple[int | None, int | None]
    classes: tuple[str, ...] | None = None


def open_session(wish: SessionRequest) -> Session:
    """Open the file with the wished provider and show by one inference that it works.

    Raises ConfigError where the file is no model, an extra is not installed, or no provider works.
    """
    suffix = wish.path.suffix
    opener = _open_onnx if suffix == ".onnx" else BY_SUFFIX.get(suffix, open_ultralytics)
    if wish.provider == "ncnn" and opener is not open_ncnn:
        raise ConfigError(
            f"provider = 'ncnn': {wish.path.name} is no NCNN model; "
            "name a variant of the manifest whose file ends in .param"
        )
    session = opener(wish)
    # What reading and optimising the graph left free: about 11 MB.
    give_back_memory()
    return session


def read_facts(path: Path) -> Facts:
    """Input size and class names that the file carries; unknown ones are None.
    Raises ConfigError naming the file or option that is wrong."""
    if path.suffix != ".onnx":
        return Facts((None, None))
    ort = _runtime(path)
    # Without optimisation: only the header is wanted.
    options = ort.SessionOptions()
    options.log_severity_level = 4
    # A pool of its own choice is bound to cores, and says so where it may not.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    with one_line(path):
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        # Names that are no text are no usable model either.
        inputs, metadata = session.get_inputs(), session.get_modelmeta().custom_metadata_map
        kinds = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs) or "none"
    dims = list(inputs[0].shape) if inputs else []
    if len(inputs) != 1 or len(dims) != 4 or inputs[0].type != "tensor(float)":
        raise ConfigError(f"{path}: one float input (1, 3, height, width) wanted, it has {kinds}")
    height, width = (side if isinstance(side, int) and side > 0 else None for side in dims[2:])
    if dims[1] not in (3, "channels") and isinstance(dims[1], int):
        raise ConfigError(f"{path}: the input has {dims[1]} channels, 3 wanted")
    return Facts((height, width), _names(metadata))


def _names(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """Class names as exporters write them into a file: a dict or a list, in Python's words or in
    JSON. What is neither tells nothing."""
    try:
        names = _literal(metadata.get("names", ""))
        if isinstance(names, dict):
            # JSON has its keys as texts: "10" comes after "9".
            names = [names[key] for key in sorted(names, key=int)]
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return tuple(str(name) for name in names) if isinstance(names, list) else None


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(text)


# ---- ONNX Runtime


@dataclass(frozen=True, slots=True)
class OnnxSession:
    """ONNX Runtime; releases the GIL while it runs and is safe to share between threads."""

    provider: str
    shape: Shape
    _session: Any = field(repr=False)
    _input: str = field(repr=False)
    outputs: tuple[str, ...] = field(repr=False)

    def run(self, tensor: Tensor) -> Outputs:
        return tuple(self._session.run(self.outputs, {self._input: tensor}))


def _open_onnx(wish: SessionRequest) -> Session:
    if wish.provider in READ_ONNX:
        return READ_ONNX[wish.provider](wish)
    ort = _runtime(wish.path)
    there = ort.get_available_providers()
    if wish.provider != "auto":
        name = ONNX_PROVIDERS[wish.provider]
        if name not in there:
            usable = ", ".join(key for key, value in ONNX_PROVIDERS.items() if value in there)
            raise ConfigError(
                f"provider = {wish.provider!r}: this onnxruntime has no {name} (it has: {usable})"
            )
        return _opened(ort, wish, wish.provider)
    for provider in _auto_order(wish, there):
        try:
            return _opened(ort, wish, provider)
        except Unusable as error:
            log.warning("%s does not work here, trying the next: %s", provider, error)
    return _opened(ort, wish, "cpu")


def _auto_order(wish: SessionRequest, there: list[str]) -> list[Provider]:
    """Accelerators to try. TensorRT only with a built engine: building one takes minutes, and a
    daemon's first frame is not the place for it (`edge model verify --provider tensorrt` is)."""
    built = wish.cache is not None and any(wish.cache.glob("*.engine"))
    return [
        key
        for key, name in ONNX_PROVIDERS.items()
        if name in there and key != "cpu" and (key != "tensorrt" or built)
    ]


def _opened(ort: Any, wish: SessionRequest, provider: Provider) -> OnnxSession:
    name = ONNX_PROVIDERS[provider]
    chain = [(name, _provider_options(wish, provider))]
    if provider != "cpu":
        chain.append(("CPUExecutionProvider", {}))
    with one_line(wish.path, soft=provider != "cpu" and wish.provider == "auto"):
        raw = ort.InferenceSession(str(wish.path), _options(ort, wish), providers=chain)
        # A provider that cannot load its libraries is silently replaced by the CPU.
        if raw.get_providers()[0] != name:
            raise Unusable(f"{name} was replaced by {raw.get_providers()[0]}")
        session = OnnxSession(
            provider,
            wish.shape,
            raw,
            raw.get_inputs()[0].name,
            tuple(output.name for output in raw.get_outputs()),
        )
        prove(session)
    return session


def _options(ort: Any, wish: SessionRequest) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = max(1, wish.threads)
    options.inter_op_num_threads = 1
    # A waiting pool that spins burns the core another camera needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # One block for all that a run needs, planned at the first: it stands beside the arena that the
    # first run has filled already, 17 MB more for no time less.
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    # A free side fixed here lets the optimiser fold all shape arithmetic, as in a fixed model.
    for axis, size in zip(("batch", "height", "width"), (1, *wish.shape), strict=True):
        options.add_free_dimension_override_by_name(axis, size)
    return options


def _provider_options(wish: SessionRequest, provider: str) -> dict[str, str]:
    if provider == "tensorrt" and wish.cache is not None:
        wish.cache.mkdir(parents=True, exist_ok=True)
        return {
            "trt_fp16_enable": "1",
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(wish.cache),
            "trt_timing_cache_enable": "1",
        }
    return {}


def onnx_providers() -> tuple[Provider, ...]:
    """What may be asked for an .onnx file here: by packages that are installed, none of them tried.
    Raises ConfigError without onnxruntime."""
    there = _runtime(Path("model.onnx")).get_available_providers()
    own = tuple(key for key, name in ONNX_PROVIDERS.items() if name in there)
    return (*own, *(name for name in READ_ONNX if importlib.util.find_spec(name)))


def _runtime(path: Path) -> Any:
    """onnxruntime without its telemetry: a box reports to nobody but its platform."""
    # Some versions write a device id into the home folder as soon as they are imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    ort = import_runtime("onnxruntime", "onnxruntime", path)
    if hasattr(ort, "disable_telemetry_events"):
        ort.disable_telemetry_events()
    return ort
