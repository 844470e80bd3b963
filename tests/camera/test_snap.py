# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge snap: a picture on disk, or one line."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from edge.cli import main
from tests.camera.making import video
from tools.fakes.camera import Clip, FakeCamera


def test_snap_of_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = video(tmp_path / "a.mp4", [0.0, 0.04, 0.08])
    out = tmp_path / "x.jpg"
    assert main(["snap", str(path), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out} 320x180\n"
    assert cv2.imread(str(out)).shape == (180, 320, 3)


def test_snap_of_a_camera_of_the_site_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    video(tmp_path / "a.mp4", [0.0])
    site = tmp_path / "site.yaml"
    site.write_text("cameras:\n- {id: gate, source: a.mp4}\n")
    monkeypatch.chdir(tmp_path)
    assert main(["snap", "gate", "--site", str(site)]) == 0
    assert (tmp_path / "gate.jpg").stat().st_size > 1000
    assert main(["snap", "door", "--site", str(site)]) == 2
    assert "no camera 'door'; there are: gate" in capsys.readouterr().err


def test_snap_that_fails_is_one_line_without_credentials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["snap", "rtsp://u:geheim@127.0.0.1:9/x"]) == 1
    error = capsys.readouterr().err
    assert "the connection is refused" in error
    assert "geheim" not in error
    assert main(["snap", "ftp://x/y"]) == 2


@pytest.mark.decoder
def test_snap_of_a_live_camera(camera: FakeCamera, small: dict[str, Clip], tmp_path: Path) -> None:
    url = camera.stream("/snap", small["h264"])
    out = tmp_path / "x.jpg"
    assert main(["snap", url, "--out", str(out)]) == 0
    assert cv2.imread(str(out)).shape == (180, 320, 3)
