# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reports that the box makes by itself: when, once, with hashes, and how they reach a platform."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from box_of_cases import TEN, ZONE, Box

from edge.handling.scheduled import PUBLISHED, ReportTerms, last_whole, publish_reports
from edge.uplink import messages as m
from edge.values import EvidenceFile, Stamp

HOUR, DAY = 3600.0, 86_400.0
# TEN is a Monday: the week of it ends seven days later, at midnight.
WEEK_OVER = TEN - 10 * HOUR + 7 * DAY
TERMS = ReportTerms(("week", "month"), ZONE, "鼓楼片区", "Gulou")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path / "state", tmp_path / "run")
    made.found("v-000001", TEN)
    made.reviewed("v-000001", "confirmed", TEN + HOUR, outcome="filed")
    made.work(TEN + 2 * HOUR)
    yield made
    made.close()


class Platform:
    """What was put into the outbox; `fails` puts fail first, as in a power cut."""

    def __init__(self, fails: int = 0) -> None:
        self.got: list[tuple[str, dict[str, Any], Path, list[EvidenceFile]]] = []
        self.fails = fails

    def put(self, key: str, body: dict[str, Any], folder: Path, files: Any) -> None:
        if self.fails:
            self.fails -= 1
            raise OSError("cut off")
        self.got.append((key, body, folder, list(files)))


def published(box: Box, now: float, platform: Platform) -> int:
    at = Stamp(now, now, "ntp", 5.0)
    return publish_reports(box.state, TERMS, box.casework().lives(), at, platform.put)


def test_the_newest_whole_period_is_chosen_by_local_days() -> None:
    assert last_whole("week", WEEK_OVER + 7 * HOUR, ZONE).first == date(2026, 3, 2)
    assert last_whole("week", WEEK_OVER + 9 * HOUR, ZONE).first == date(2026, 3, 9)
    assert last_whole("month", WEEK_OVER, ZONE).first == date(2026, 2, 1)


def test_a_week_is_reported_once_with_its_files_and_their_hashes(box: Box) -> None:
    platform = Platform()
    assert published(box, WEEK_OVER + 7 * HOUR, platform) == 0
    assert published(box, WEEK_OVER + 9 * HOUR, platform) == 1
    assert published(box, WEEK_OVER + 30 * HOUR, platform) == 0
    ((key, body, folder, files),) = platform.got
    assert key == "week-2026-03-09"
    told = msgspec.convert(body, m.ReportData)
    assert (told.first, told.last) == ("2026-03-09", "2026-03-15")
    assert (told.figures["found"], told.figures["confirmed"]) == (1, 1)
    assert told.figures["precision"]["interval"][0] == pytest.approx(0.2065, abs=1e-3)
    names = {"report.json", "report.csv", "report-zh.html", "report-en.html"}
    assert {f.path for f in told.files} == {f.path for f in files} == names
    for listed in told.files:
        data = (folder / listed.path).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (listed.sha256, listed.size)
    everything = json.loads((folder / "report.json").read_text())
    assert everything["whole"]["cases"]["confirmed"] == ["v-000001"]
    assert "鼓楼片区" in (folder / "report-zh.html").read_text()


def test_a_power_cut_makes_no_other_report_of_the_same_week(box: Box) -> None:
    platform = Platform(fails=1)
    with pytest.raises(OSError, match="cut off"):
        published(box, WEEK_OVER + 9 * HOUR, platform)
    folder = box.state / "reports" / "week-2026-03-09"
    before = (folder / "report.json").read_bytes()
    assert not (folder / PUBLISHED).exists()
    # What was reviewed in between changes nothing any more.
    box.reviewed("v-000001", "rejected", WEEK_OVER + 9.1 * HOUR)
    box.work(WEEK_OVER + 10 * HOUR)
    # The box was off for more than a week after it.
    assert published(box, WEEK_OVER + 8 * DAY, platform) == 2
    assert [key for key, *_ in platform.got] == ["week-2026-03-09", "week-2026-03-16"]
    assert (folder / "report.json").read_bytes() == before
    assert platform.got[0][1]["figures"]["confirmed"] == 1


def test_a_box_that_knew_no_case_by_then_reports_nothing(box: Box) -> None:
    platform = Platform()
    assert published(box, TEN + 3 * HOUR, platform) == 0
    assert not (box.state / "reports").exists()
