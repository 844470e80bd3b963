# SPDX-License-Identifier: AGPL-3.0-or-later
"""The only door to the inference runtimes: a float tensor in, the model's raw outputs out.

ONNX Runtime is the one that ships; OpenVINO (which reads the same files), NCNN and ultralytics
(.pt, .engine and whatever else it loads) stand behind the same door as optional extras and are
imported only when they are asked for.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import importlib.util
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.config import ConfigError
from edge.config.device import Provider

log = logging.getLogger(__name__)

Tensor = NDArray[np.float32]
Outputs = tuple[NDArray[Any], ...]
Shape = tuple[int, int]

# Fastest first; "auto" takes the first that is installed and passes a real inference.
ONNX_PROVIDERS: dict[Provider, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}


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
class Facts:
    """What a file says of itself without being run. `shape` holds None where a side is free."""

    shape: tuple[int | None, int | None]
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """How to open a session. `threads`: per inference; `callers` beside each other share it."""

    path: Path
    shape: Shape
    provider: Provider = "auto"
    threads: int = 1
    cache: Path | None = None
    callers: int = 1


class _Unusable(Exception):
    """This provider does not work here; the text says why."""


def open_session(wish: SessionRequest) -> Session:
    """Open the file with the wished provider and show by one inference that it works.

    Raises ConfigError where the file is no model, an extra is not installed, or no provider works.
    """
    opener = _OPENERS.get(wish.path.suffix, _open_ultralytics)
    if wish.provider == "ncnn" and opener is not _open_ncnn:
        raise ConfigError(
            f"provider = 'ncnn': {wish.path.name} is no NCNN model; "
            "name a variant of the manifest whose file ends in .param"
        )
    session = opener(wish)
    _give_back()
    return session


def _give_back() -> None:
    """Return to the kernel what reading and optimising the graph left free: about 11 MB. Only the
    GNU C library keeps it, and only it has this function."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


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
    with _one_line(path):
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
    if wish.provider == "openvino":
        return _open_openvino(wish)
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
        except _Unusable as error:
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
    with _one_line(wish.path, soft=provider != "cpu" and wish.provider == "auto"):
        raw = ort.InferenceSession(str(wish.path), _options(ort, wish), providers=chain)
        # A provider that cannot load its libraries is silently replaced by the CPU.
        if raw.get_providers()[0] != name:
            raise _Unusable(f"{name} was replaced by {raw.get_providers()[0]}")
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
    return (*own, "openvino") if importlib.util.find_spec("openvino") else own


# ---- OpenVINO


@dataclass(frozen=True, slots=True)
class OpenvinoSession:
    """OpenVINO's own runtime: the fastest on x86. Each thread has a request of its own, and as many
    streams as there are callers run beside each other."""

    provider: str
    shape: Shape
    _compiled: Any = field(repr=False)
    outputs: tuple[str, ...] = ()
    _own: threading.local = field(default_factory=threading.local, repr=False)

    def run(self, tensor: Tensor) -> Outputs:
        """The raw outputs for one input tensor."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        found = request.infer([tensor], share_inputs=True)
        return tuple(np.asarray(found[index]) for index in range(len(self._compiled.outputs)))


def _open_openvino(wish: SessionRequest) -> Session:
    ov = _import("openvino", "openvino", wish.path)
    callers = max(1, wish.callers)
    # Half precision where the processor has it (its own default); cores are not bound to streams,
    # for other daemons work on them too.
    settings = {
        "INFERENCE_NUM_THREADS": callers * max(1, wish.threads),
        "NUM_STREAMS": callers,
        "ENABLE_CPU_PINNING": False,
    }
    with _one_line(wish.path):
        core = ov.Core()
        network = core.read_model(str(wish.path))
        network.reshape([1, 3, *wish.shape])
        compiled = core.compile_model(network, "CPU", settings)
        names = tuple(port.any_name for port in compiled.outputs)
        session = OpenvinoSession("openvino", wish.shape, compiled, names)
        prove(session)
    return session


# ---- NCNN


@dataclass(frozen=True, slots=True)
class NcnnSession:
    """NCNN: the fastest CPU runtime on a Raspberry Pi. Each run has its own extractor."""

    provider: str
    shape: Shape
    _ncnn: Any = field(repr=False)
    _net: Any = field(repr=False)
    outputs: tuple[str, ...] = ()

    def run(self, tensor: Tensor) -> Outputs:
        with self._net.create_extractor() as extractor:
            extractor.input(self._net.input_names()[0], self._ncnn.Mat(tensor[0]).clone())
            found = [extractor.extract(name) for name in self._net.output_names()]
        return tuple(np.array(mat, np.float32)[None] for code, mat in found if code == 0)


def _open_ncnn(wish: SessionRequest) -> Session:
    ncnn = _import("ncnn", "ncnn", wish.path)
    net = ncnn.Net()
    # OpenMP threads that wait by spinning cost more than they bring; callers run side by side.
    net.opt.num_threads = max(1, wish.threads)
    weights = wish.path.with_suffix(".bin")
    if net.load_param(str(wish.path)) != 0 or net.load_model(str(weights)) != 0:
        raise ConfigError(f"{wish.path}: not a readable NCNN model (with {weights.name} beside it)")
    session = NcnnSession("ncnn", wish.shape, ncnn, net)
    with _one_line(wish.path):
        prove(session)
    return session


# ---- ultralytics


@dataclass(frozen=True, slots=True)
class UltralyticsSession:
    """Whatever ultralytics loads (.pt, .engine, OpenVINO folder ...), its raw head only."""

    provider: str
    shape: Shape
    _torch: Any = field(repr=False)
    _net: Any = field(repr=False)
    _device: Any = field(repr=False)
    outputs: tuple[str, ...] = ()

    def run(self, tensor: Tensor) -> Outputs:
        """The raw head for one input tensor, on the device that was chosen."""
        with self._torch.inference_mode():
            given = self._torch.from_numpy(np.ascontiguousarray(tensor)).to(self._device)
            found = self._net(given)
        first = found[0] if isinstance(found, (list, tuple)) else found
        return (first.float().cpu().numpy(),)


def _open_ultralytics(wish: SessionRequest) -> Session:
    torch = _import("torch", "train", wish.path)
    backend = _import("ultralytics.nn.autobackend", "train", wish.path)
    on_gpu = torch.cuda.is_available() and wish.provider in ("auto", "cuda", "tensorrt")
    device = torch.device("cuda:0" if on_gpu else "cpu")
    if not on_gpu:
        torch.set_num_threads(max(1, wish.threads))
    with _one_line(wish.path):
        net = backend.AutoBackend(str(wish.path), device=device, fp16=False, verbose=False)
        session = UltralyticsSession(
            "cuda" if on_gpu else "cpu", wish.shape, torch, net.eval(), device
        )
        prove(session)
    return session


_OPENERS: dict[str, Callable[[SessionRequest], Session]] = {
    ".onnx": _open_onnx,
    ".param": _open_ncnn,
}


# ---- shared


def prove(session: Session) -> Outputs:
    """One real inference on a grey picture; listing a provider proves nothing about the board.

    Raises _Unusable where an output is not finite or there is none.
    """
    tensor = np.full((1, 3, *session.shape), 114 / 255, np.float32)
    outputs = session.run(tensor)
    if not outputs or not all(np.isfinite(np.asarray(one, np.float64)).all() for one in outputs):
        raise _Unusable(f"{session.provider}: the test inference gave no finite output")
    return outputs


@contextlib.contextmanager
def _one_line(path: Path, *, soft: bool = False) -> Iterator[None]:
    """The runtimes raise types of their own; a person gets one line that names the file.

    soft: raise _Unusable, for a provider that has a successor, instead of ConfigError.
    """
    world: tuple[type[Exception], ...] = (RuntimeError, ValueError, TypeError, OSError)
    kinds: tuple[type[Exception], ...] = (_Unusable, *world, *_runtime_errors())
    try:
        yield
    except kinds as error:
        text = " ".join(str(error).split())[:240]
        if soft:
            raise _Unusable(text) from None
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


def _runtime(path: Path) -> Any:
    """onnxruntime without its telemetry: a box reports to nobody but its platform."""
    # Some versions write a device id into the home folder as soon as they are imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    ort = _import("onnxruntime", "onnxruntime", path)
    if hasattr(ort, "disable_telemetry_events"):
        ort.disable_telemetry_events()
    return ort


def _import(module: str, extra: str, path: Path) -> Any:
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
