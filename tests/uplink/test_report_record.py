# SPDX-License-Identifier: AGPL-3.0-or-later
"""A work report over a real broker: record and files arrive, and the box may let them go."""

import hashlib
import json
import sqlite3
from contextlib import closing

import msgspec
import pytest

from edge.handling.life import CaseLife
from edge.handling.scheduled import ReportTerms, publish_reports
from edge.uplink import messages as m
from edge.values import Stamp
from tools.faultlab.rig import eventually

pytestmark = pytest.mark.broker
NOW = 1_773_021_600.0


def test_a_report_and_its_files_reach_the_platform(rig):
    from zoneinfo import ZoneInfo

    broker = rig.broker()
    rig.receiver(broker.port)
    rig.uplinkd(broker.port)
    outbox = rig.outbox()
    terms = ReportTerms(("week",), ZoneInfo("Asia/Shanghai"), "鼓楼", "Gulou")
    case = CaseLife("v-000001", category="street-vendor", source="north", found_at=NOW - 6e5)

    def put(key, body, folder, files):
        outbox.put(lane="violation", kind="report", key=key, body=body, folder=folder, files=files)

    assert publish_reports(rig.state, terms, [case], Stamp(1.0, NOW, "ntp", 5.0), put) == 1
    (folder,) = (rig.state / "reports").iterdir()

    def stored():
        with closing(sqlite3.connect(rig.platform / "platform.db")) as db:
            return db.execute("SELECT payload FROM record WHERE kind = 'report'").fetchall()

    eventually(lambda: len(stored()) == 1)
    told = msgspec.convert(json.loads(stored()[0][0])["data"], m.ReportData)
    assert told.id == folder.name
    wanted = {f.sha256 for f in told.files}

    def arrived():
        blobs = [p for p in (rig.platform / "blobs").rglob("*") if p.is_file()]
        return {p.name for p in blobs if hashlib.sha256(p.read_bytes()).hexdigest() == p.name}

    eventually(lambda: (rig.platform / "blobs").is_dir() and wanted <= arrived(), within_s=30)
    eventually(lambda: outbox.status()["records"].get("report") == {"platform_ack": 1})
