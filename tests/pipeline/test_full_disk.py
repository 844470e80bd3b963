# SPDX-License-Identifier: AGPL-3.0-or-later
"""A disk without a byte or a name left: what is asked and found there ends no thread."""

import tempfile
import threading

import pytest

from edge.ipc import read_answer
from edge.pipeline import evidence_queue, requests
from edge.pipeline.analyzer import Analysis
from edge.pipeline.evidence_queue import EvidenceQueue
from edge.pipeline.recheck import PATIENCE_S, RecheckRequest, Rechecks
from edge.values import Judgement
from tests.evidence.conftest import candidate, categories, finding, frame, origin, stamp
from tests.evidence.test_evidence_writer import Box, Ring
from tests.small_disk import fill, fill_names, small_disk

__all__ = ["categories", "origin"]


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A small one, with the folder for temporary files on it as on a box."""
    with small_disk(tmp_path / "disk", "size=4m,nr_inodes=100") as folder:
        (folder / "tmp").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
        yield folder


def fill_all(disk):
    fill(disk)
    fill_names(disk)


def look(mono, found=(), **more):
    return Analysis(frame(mono), (), Judgement(tuple(found), (candidate(mono),)), True, **more)


def test_a_camera_s_evidence_writer_goes_on(disk, categories, origin):
    box, late = Box(disk, categories, origin, Ring()), []
    queue = EvidenceQueue("north", box.evidence_writer, late=late.append)
    ended = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", ended.append)
        queue.start()
        queue.hand_over(look(0.0), wait=True)
        queue.hand_over(look(30.0, [finding("new", 30.0)]), wait=True)
        queue.hand_over(look(30.2), wait=True)
        queue._queue.join()
        assert len(box.sealed) == 1
        fill_all(disk)
        # The clip of the case is due, somebody asks for a picture, and the case ends.
        asked = RecheckRequest(disk / "asked" / "a", stamp(45.0))
        queue.hand_over(look(60.0, rechecks=(asked,)), wait=True)
        queue.hand_over(look(61.0, [finding("end", 61.0)]), wait=True)
        queue.close()
    assert ended == []
    assert [v.phase for v in box.bare] == ["end"]
    assert "disk" in box.troubles
    assert read_answer(asked.into) is None


def test_who_waited_too_long_is_given_up_unanswered(disk):
    rechecks = Rechecks()
    rechecks.ask(RecheckRequest(disk / "asked" / "a", stamp(0.0)))
    fill_all(disk)
    assert rechecks.give_up(stamp(PATIENCE_S + 1.0)) == 1


def test_a_request_for_a_stuck_writer_is_given_up_unanswered(disk, categories, origin, monkeypatch):
    monkeypatch.setattr(evidence_queue, "WAIT_S", 0.05)
    box = Box(disk, categories, origin)
    queue = EvidenceQueue("north", box.evidence_writer, late=lambda number: None)
    for mono in (0.0, 1.0):
        queue.hand_over(look(mono), wait=True)
    fill_all(disk)
    queue.hand_over(look(2.0, rechecks=(RecheckRequest(disk / "asked" / "a", stamp(1.5)),)))
    assert queue.dropped == 1


def test_a_stuck_disk_does_not_hold_up_the_end(caplog):
    released = threading.Event()

    class Stuck:
        """An evidence writer whose write does not return."""

        def handle(self, *_):
            released.wait(60)

        def finish(self, at):
            raise AssertionError("it was given up")

    queue = EvidenceQueue("north", Stuck(), late=lambda number: None)
    queue.start()
    for mono in range(3):
        queue.hand_over(look(float(mono)), wait=True)
    closing = threading.Thread(target=queue.close, args=(stamp(9.0),), kwargs={"timeout_s": 0.1})
    closing.start()
    closing.join(30)
    assert not closing.is_alive()
    assert "evidence north: stuck" in caplog.text
    queue._last = None
    released.set()


class Settings:
    """What the requests ask of the settings."""

    def __init__(self, state, categories):
        self.state, self.categories = state, categories


@pytest.mark.parametrize("kind", ["clip", "snapshot", "recheck", "look"])
def test_a_request_is_refused(disk, categories, kind):
    fill_all(disk)
    asked = {"kind": kind, "into": str(disk / "asked" / "b"), "camera": "north"}
    settings = Settings(disk, categories)
    for workers in ({}, {"north": object()}):
        assert requests.answer(asked, workers, settings, stamp(31.0)) is False
