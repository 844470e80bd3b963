# SPDX-License-Identifier: AGPL-3.0-or-later
"""A recording of which only a part can be read: the ledger says what was not inspected."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest

from edge import cli
from edge.commands import fly
from edge.drone.asflown import AsFlown
from edge.drone.look import KeyFrame
from edge.drone.summary import Summary
from tests.drone.flyover import PLANE, Ground, PaintDetector, straight, write_srt, write_video

SECONDS = 9


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A flight whose index stands in front, as platforms hand recordings out."""
    folder = tmp_path_factory.mktemp("whole")
    shots = straight(seconds=SECONDS, start=(0, -40), course=0)
    write_video(folder / "plain.mp4", Ground([]), shots)
    write_srt(folder / "one.SRT", shots)
    video = folder / "one.mp4"
    with (
        av.open(str(folder / "plain.mp4")) as plain,
        av.open(str(video), "w", options={"movflags": "faststart"}) as front,
    ):
        stream = plain.streams.video[0]
        written = front.add_stream_from_template(stream)
        for packet in plain.demux(stream):
            if packet.dts is not None:
                packet.stream = written
                front.mux(packet)
    return video


def flown(whole: Path, data: bytes, folder: Path, monkeypatch) -> dict:
    monkeypatch.setattr(fly, "_model", lambda args, settings: PaintDetector())
    (folder / "one.mp4").write_bytes(data)
    (folder / "one.SRT").write_bytes(whole.with_name("one.SRT").read_bytes())
    assert cli.main(["fly", str(folder / "one.mp4"), "--out", str(folder / "out")]) == 0
    return json.loads((folder / "out" / "flight.json").read_text())


def test_a_whole_recording_has_nothing_to_tell(whole, tmp_path, monkeypatch):
    ledger = flown(whole, whole.read_bytes(), tmp_path, monkeypatch)
    assert ledger["blind"] == []
    assert not {"recording-cut", "pictures-damaged"} & {note["key"] for note in ledger["notes"]}


@pytest.mark.parametrize("rest", [b"", b"\0"], ids=["cut off", "zeros"])
def test_what_is_missing_of_a_recording_is_not_inspected(whole, tmp_path, monkeypatch, rest):
    data = whole.read_bytes()
    half = len(data) // 2
    ledger = flown(whole, data[:half] + rest * half, tmp_path, monkeypatch)
    last_s = ledger["track"][-1][2]
    assert last_s < SECONDS - 3
    (part,) = ledger["blind"]
    assert (part["start_s"], part["end_s"]) == (pytest.approx(last_s), ledger["duration_s"])
    assert ledger["blind_s"] == pytest.approx(SECONDS - last_s, abs=0.2)
    notes = {note["key"]: note for note in ledger["notes"]}
    assert notes["recording-cut"]["text"].endswith(f"/ {SECONDS} s")
    assert "pictures-damaged" in notes or not rest
    html = (tmp_path / "out" / "report.html").read_text()
    assert notes["recording-cut"]["words"]["zh"] in html


def test_what_passed_before_the_first_look_is_not_inspected_either():
    summary = Summary(PLANE, AsFlown(2.0))
    for second in range(40, 50):
        summary.add(KeyFrame(float(second), 1_777_600_000.0 + second, None))
    summary.close(60.0)
    assert [(part.start_s, part.end_s) for part in summary.blind] == [(0.0, 40.0), (49.0, 60.0)]


def test_a_recording_without_any_look_is_blind_as_a_whole():
    summary = Summary(PLANE, AsFlown(2.0))
    summary.close(60.0)
    assert [(part.start_s, part.end_s) for part in summary.blind] == [(0.0, 60.0)]
