# SPDX-License-Identifier: AGPL-3.0-or-later
"""The reader of what Blender writes: a file made here by hand, by the format's own description."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tools.scenery import exr


def attribute(name: str, kind: str, value: bytes) -> bytes:
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value


def written(planes: dict[str, np.ndarray], compression: int = 0) -> bytes:
    """Scan-line file, one line a chunk; channels in alphabetical order as the format wants."""
    height, width = next(iter(planes.values())).shape
    kinds = {np.dtype("f4"): 2, np.dtype("f2"): 1, np.dtype("u4"): 0}
    names = sorted(planes)
    channels = b"".join(
        name.encode() + b"\0" + struct.pack("<iBxxxii", kinds[planes[name].dtype], 0, 1, 1)
        for name in names
    )
    head = b"\x76\x2f\x31\x01" + struct.pack("<i", 2)
    head += attribute("channels", "chlist", channels + b"\0")
    head += attribute("compression", "compression", bytes([compression]))
    head += (
        attribute("dataWindow", "box2i", struct.pack("<4i", 3, 5, 2 + width, 4 + height)) + b"\0"
    )
    lines = [b"".join(planes[name][row].tobytes() for name in names) for row in range(height)]
    starts, at = [], len(head) + 8 * height
    for line in lines:
        starts.append(struct.pack("<Q", at))
        at += 8 + len(line)
    chunks = [struct.pack("<ii", 5 + row, len(line)) + line for row, line in enumerate(lines)]
    return head + b"".join(starts) + b"".join(chunks)


def test_channels_come_back_whatever_their_kind(tmp_path) -> None:
    rng = np.random.default_rng(3)
    planes = {
        "View.Combined.R": rng.random((7, 11)).astype("f4"),
        "View.Depth.Z": rng.random((7, 11)).astype("f2"),
        "View.Object Index.X": rng.integers(0, 200, (7, 11)).astype("u4"),
    }
    (tmp_path / "a.exr").write_bytes(written(planes))
    read = exr.read(tmp_path / "a.exr")
    assert set(read) == set(planes)
    for name, plane in planes.items():
        assert np.allclose(read[name], plane.astype("f4"))


def test_other_files_are_refused_with_their_name(tmp_path) -> None:
    (tmp_path / "a.exr").write_bytes(b"P6 1 1 255")
    with pytest.raises(ValueError, match=r"a\.exr: not an OpenEXR"):
        exr.read(tmp_path / "a.exr")
    plane = {"R": np.zeros((2, 2), "f4")}
    (tmp_path / "b.exr").write_bytes(written(plane, compression=3))
    with pytest.raises(ValueError, match=r"b\.exr: compressed"):
        exr.read(tmp_path / "b.exr")
