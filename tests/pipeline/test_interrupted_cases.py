# SPDX-License-Identifier: AGPL-3.0-or-later
"""A camera's worker over a restart: what of its open cases goes on, and what ends."""

import numpy as np
import pytest

from edge.camera.feed import Feed
from edge.camera.mailbox import Mailbox
from edge.camera.url import Address
from edge.faults import FaultLog
from edge.pipeline.camera_pipeline import build_pipeline
from edge.pipeline.camera_worker import CameraWorker
from edge.pipeline.evidence_writer import EvidenceOutputs
from edge.pipeline.preview import Preview
from edge.pipeline.settings import read_settings
from edge.values import Frame, Stamp
from tests.daemons.box import DEVICE, MAGENTA, MANIFEST, SITE, WEIGHTS, SquareModel

NOWHERE = Address("network", "rtsp://127.0.0.1/none", "rtsp://127.0.0.1/none")
WALL = 1_767_225_600.0
RULE = "{category: street-vendor, dwell_s: 8, confirm_s: 0, set: {attended_share: 0.0}}"
OF_ONE_ZONE = RULE.replace("dwell_s", "zones: [pavement], dwell_s")


class Camera:
    """In place of what reads the camera: the test posts its pictures."""

    def start(self):
        pass

    def stop(self, wait_s):
        pass


class Running:
    """One run of a camera's worker on a home that outlives it."""

    def __init__(self, home, mono, rules=RULE):
        site = SITE.replace("model: square", "model: square.yaml").replace(RULE, rules)
        site = site.replace("street.mp4", "rtsp://127.0.0.1/none").replace("playback: fast", "")
        files = {"site.yaml": site, "device.yaml": DEVICE, "square.yaml": MANIFEST}
        for name, text in files.items():
            (home / name).write_text(text, "utf-8")
        (home / "square.onnx").write_bytes(WEIGHTS)
        settings = read_settings(home / "site.yaml", home / "device.yaml")
        (camera,) = settings.site.cameras
        self.sealed, self.bare = [], []
        outputs = EvidenceOutputs(
            sealed=lambda sealed: self.sealed.append(sealed.violation),
            bare=self.bare.append,
            trouble=lambda kind, text: None,
            healed=lambda kind: None,
        )
        pipeline = build_pipeline(
            settings,
            camera,
            SquareModel(),
            evidence=home / "evidence",
            album=home / "album",
            outputs=outputs,
            clips=None,
        )
        self.mono = mono
        self.worker = CameraWorker(
            pipeline,
            Feed(NOWHERE, Mailbox(), Camera(), None),
            Preview(home / "run", camera),
            memory=home / "memory.json",
            late=lambda count: None,
            faults=FaultLog(lambda: self.now, lambda fault, begins: None),
            remind=lambda prompt: None,
            started=self.now,
            misdetected=tuple,
        )
        pipeline.book.recover(self.now)
        self.worker.start(self.now)

    @property
    def now(self):
        return Stamp(self.mono, WALL + self.mono, "ntp", 5.0)

    def look(self, seconds, *, stands):
        """Pictures of a street on which the square stands or not, one a second."""
        dice = np.random.default_rng(1)
        small = dice.integers(60, 160, (18, 32, 1), np.uint8)
        image = np.kron(small, np.ones((10, 10, 3), np.uint8))
        if stands:
            image[75:125, 130:190] = MAGENTA
        image.flags.writeable = False
        for _ in range(seconds):
            self.worker.feed.mailbox.post(Frame("north", int(self.mono), self.now, image))
            self.worker.look(lambda: self.now)
            self.mono += 1.0

    def stop(self):
        """In order: the evidence that is waiting is written, and the judge's memory kept."""
        self.worker.close()
        return [(v.id, v.phase) for v in self.sealed]


def test_a_case_of_a_rule_that_the_site_changed_ends_with_a_picture_of_the_next_start(tmp_path):
    first = Running(tmp_path, 100.0)
    first.look(12, stands=True)
    ((case, phase),) = first.stop()
    assert phase == "new"
    second = Running(tmp_path, 120.0, OF_ONE_ZONE)
    second.look(1, stands=False)
    assert second.stop() == [(case, "end")]
    (end,) = second.sealed
    assert (end.revision, end.ended) == (2, None)
    assert end.facts["ended_because"] == "watching was interrupted"
    assert end.evidence[-1].role == "after"
    third = Running(tmp_path, 130.0, OF_ONE_ZONE)
    third.look(1, stands=False)
    assert third.stop() == []


@pytest.mark.parametrize("memory", ["kept", "lost"])
def test_a_case_goes_on_over_a_restart_as_long_as_its_memory_was_kept(tmp_path, memory):
    first = Running(tmp_path, 100.0)
    first.look(12, stands=True)
    ((case, _),) = first.stop()
    if memory == "lost":
        (tmp_path / "memory.json").write_text("{")
    second = Running(tmp_path, 120.0)
    second.look(3, stands=True)
    assert second.stop() == ([] if memory == "kept" else [(case, "end")])


def test_a_power_cut_after_the_end_of_a_case_does_not_open_it_again(tmp_path):
    first = Running(tmp_path, 100.0)
    first.look(12, stands=True)
    first.look(36, stands=False)
    memory = (tmp_path / "memory.json").read_bytes()
    ((one, _), (_, phase)) = first.stop()
    assert phase == "end"
    (tmp_path / "memory.json").write_bytes(memory)
    second = Running(tmp_path, 200.0)
    second.look(12, stands=True)
    ((two, phase),) = second.stop()
    assert (phase, two != one) == ("new", True)
    assert second.sealed[0].occurrence == 2
