# SPDX-License-Identifier: AGPL-3.0-or-later
"""Peers' loops as their own documentation writes them, on the same ONNX file.

Each gets one inference thread that does not spin, which is kinder to their CPU time than their
defaults. ultralytics runs under VENV=train, supervision with `trackers` under VENV=bench.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def _one_thread() -> None:
    """Let every onnxruntime session made in this process use one thread without spinning."""
    import onnxruntime

    whole = onnxruntime.InferenceSession

    def calm(path: Any, sess_options: Any = None, **more: Any) -> Any:
        options = sess_options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return whole(path, sess_options=options, **more)

    onnxruntime.InferenceSession = calm


def ultralytics_predict(settings: dict[str, Any]) -> Iterator[int]:
    model = _yolo(settings)
    while True:
        for result in model.predict(settings["clip"], stream=True, **_how(settings)):
            yield len(result.boxes)


def ultralytics_track(settings: dict[str, Any], tracker: str = "bytetrack.yaml") -> Iterator[int]:
    model = _yolo(settings)
    while True:
        for result in model.track(settings["clip"], stream=True, tracker=tracker, **_how(settings)):
            yield len(result.boxes)


def ultralytics_botsort(settings: dict[str, Any]) -> Iterator[int]:
    """Its default tracker."""
    return ultralytics_track(settings, "botsort.yaml")


def _yolo(settings: dict[str, Any]) -> Any:
    import os

    os.environ["YOLO_AUTOINSTALL"] = "0"
    os.environ["YOLO_OFFLINE"] = "1"
    import cv2
    import torch
    from ultralytics import YOLO

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    _one_thread()
    return YOLO(settings["weights"], task="detect")


def _how(settings: dict[str, Any]) -> dict[str, Any]:
    # `conf` of track() is the detector's threshold: ByteTrack wants the weak boxes too.
    return {
        "imgsz": settings["shape"],
        "conf": settings["min_score"],
        "verbose": False,
        "device": "cpu",
    }


def supervision(settings: dict[str, Any]) -> Iterator[int]:
    """The usual script: cv2 reads, onnxruntime infers, numpy decodes, supervision and trackers."""
    import cv2
    import numpy as np
    import onnxruntime
    import supervision as sv
    from trackers import ByteTrackTracker

    cv2.setNumThreads(1)
    _one_thread()
    session = onnxruntime.InferenceSession(settings["weights"], providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    while True:
        tracker = ByteTrackTracker()
        for image in sv.get_video_frames_generator(settings["clip"]):
            tensor, scale, pad = _letterboxed(image, settings["shape"])
            table = session.run(None, {name: tensor})[0][0].T
            scores = table[:, 4:].max(axis=1)
            sure = scores > settings["min_score"]
            centre, half = table[sure, :2], table[sure, 2:4] / 2
            found = sv.Detections(
                xyxy=(np.concatenate([centre - half, centre + half], 1) - pad) / scale,
                confidence=scores[sure],
                class_id=table[sure, 4:].argmax(axis=1),
            ).with_nms(0.6)
            yield len(tracker.update(found))


def _letterboxed(image: Any, shape: list[int]) -> tuple[Any, float, Any]:
    import cv2
    import numpy as np

    scale = min(shape[0] / image.shape[0], shape[1] / image.shape[1])
    small = cv2.resize(image, (round(image.shape[1] * scale), round(image.shape[0] * scale)))
    top, left = (shape[0] - small.shape[0]) // 2, (shape[1] - small.shape[1]) // 2
    whole = np.full((*shape, 3), 114, np.uint8)
    whole[top : top + small.shape[0], left : left + small.shape[1]] = small
    tensor = whole[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
    return np.ascontiguousarray(tensor), scale, np.array([left, top] * 2)
