# SPDX-License-Identifier: AGPL-3.0-or-later
"""Runtimes beside the one that ships: OpenVINO, NCNN and ultralytics, each an optional extra
that is imported only when it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge.config import ConfigError
from edge.config.device import Provider
from edge.vision.inference import (
    Outputs,
    Session,
    SessionRequest,
    Shape,
    Tensor,
    import_runtime,
    one_line,
    prove,
)


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


def open_openvino(wish: SessionRequest) -> Session:
    """OpenVINO on the CPU, with as many streams as there are callers. Raises ConfigError."""
    ov = import_runtime("openvino", "openvino", wish.path)
    callers = max(1, wish.callers)
    # Half precision where the processor has it (its own default); cores are not bound to streams,
    # for other daemons work on them too.
    settings = {
        "INFERENCE_NUM_THREADS": callers * max(1, wish.threads),
        "NUM_STREAMS": callers,
        "ENABLE_CPU_PINNING": False,
    }
    with one_line(wish.path):
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


def open_ncnn(wish: SessionRequest) -> Session:
    """The network of a .param file, its weights in the .bin beside it. Raises ConfigError."""
    ncnn = import_runtime("ncnn", "ncnn", wish.path)
    net = ncnn.Net()
    # OpenMP threads that wait by spinning cost more than they bring; callers run side by side.
    net.opt.num_threads = max(1, wish.threads)
    weights = wish.path.with_suffix(".bin")
    if net.load_param(str(wish.path)) != 0 or net.load_model(str(weights)) != 0:
        raise ConfigError(f"{wish.path}: not a readable NCNN model (with {weights.name} beside it)")
    session = NcnnSession("ncnn", wish.shape, ncnn, net)
    with one_line(wish.path):
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


def open_ultralytics(wish: SessionRequest) -> Session:
    """On the first GPU, where there is one that the provider allows, else on the CPU. Raises
    ConfigError."""
    torch = import_runtime("torch", "train", wish.path)
    backend = import_runtime("ultralytics.nn.autobackend", "train", wish.path)
    on_gpu = torch.cuda.is_available() and wish.provider in ("auto", "cuda", "tensorrt")
    device = torch.device("cuda:0" if on_gpu else "cpu")
    if not on_gpu:
        torch.set_num_threads(max(1, wish.threads))
    with one_line(wish.path):
        net = backend.AutoBackend(str(wish.path), device=device, fp16=False, verbose=False)
        session = UltralyticsSession(
            "cuda" if on_gpu else "cpu", wish.shape, torch, net.eval(), device
        )
        prove(session)
    return session


# Which opens a file that is no .onnx, by its suffix; and which reads .onnx where it is asked for,
# its name being that of its package. What no row names is left to ultralytics.
BY_SUFFIX: dict[str, Callable[[SessionRequest], Session]] = {".param": open_ncnn}
READ_ONNX: dict[Provider, Callable[[SessionRequest], Session]] = {"openvino": open_openvino}
