# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many files of the product a frame passes on its way from the camera to the outbox.

The street clip with its three rules, the shipped model and the real evidence writer; every file of
which a function runs while a frame is looked at is on the way. The clip that is cut beside it goes
its own way, from packets (edge/camera/clips.py), and is left out here.
"""

import re
import sys
from pathlib import Path

import pytest

from edge.camera.recording import read_file_frames
from edge.camera.url import parse_source
from edge.pipeline.offline import camera_for, start_offline_run
from edge.pipeline.soundness import load_settings

ROOT = Path(__file__).resolve().parents[2]
STREET = ROOT / "tests" / "clips" / "street"
FILES_MAX = 30


@pytest.fixture(scope="module")
def way(tmp_path_factory):
    """Files in the order in which a frame first comes to them, and how many cases were written."""
    settings = load_settings(str(STREET / "site.yaml"), None)
    source = str(STREET / "street.mp4")
    camera = camera_for(settings.site, source, None)
    written, files = [], {}
    run = start_offline_run(
        settings,
        camera,
        tmp_path_factory.mktemp("way"),
        model=None,
        clips=None,
        publish=lambda violation, stored: written.append(violation),
    )

    def note(frame, event, _):
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(f"{ROOT}/edge/"):
            files.setdefault(path.removeprefix(f"{ROOT}/"))

    with read_file_frames(parse_source(source), camera.fps, camera=camera.id) as frames:
        for frame in frames:
            sys.setprofile(note)
            try:
                run.step(frame)
            finally:
                sys.setprofile(None)
    return list(files), written


def test_a_frame_crosses_few_files(way):
    files, written = way
    assert written, "no case was written: the way was not walked to its end"
    assert len(files) <= FILES_MAX, "\n".join(files)


def test_the_way_is_told_in_one_page(way):
    """docs/architecture.md names every file of the way, and none that does not exist."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    section = page.partition("## The way of a frame")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(edge/[\w/]+\.py)`", section))
    assert set(way[0]) <= named, sorted(set(way[0]) - named)
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []
