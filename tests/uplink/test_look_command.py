# SPDX-License-Identifier: AGPL-3.0-or-later
"""The platform's `look` over a real broker: asked by the reference's own program, answered."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.ipc import Spool, write_answer
from tools.faultlab.rig import eventually

pytestmark = pytest.mark.broker
ROOT = Path(__file__).parents[2]


def asked(rig, port, *words):
    key = rig.platform / "platform.pem"
    argv = [sys.executable, "-m", "city_platform.command", "--port", str(port)]
    argv += ["--key", str(key), "--device", "box-1", "--limit", "30", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


def test_a_tip_goes_to_the_box_and_its_answer_comes_back(rig):
    broker = rig.broker()
    rig.receiver(broker.port)
    rig.uplinkd(broker.port)
    eventually(lambda: (rig.platform / "platform.pem").exists())
    eventually(lambda: "connected" in (rig.folder / "uplinkd.log").read_text().lower())
    words = ("look", "category=street-vendor", "lat=36.0", "lon=120.0", "note=校门口")
    spool = Spool(rig.folder / "run", "visiond")
    with asked(rig, broker.port, *words) as desk:
        eventually(lambda: any(spool.folder.glob("*.json")))
        (tip,) = spool.take()
        into = Path(tip["into"])
        (into / "after-1.jpg").write_bytes(b"a picture")
        data = {"answer": "case", "violation": "v-1", "camera": "north", "by": "drawn"}
        write_answer(into, True, reason="case v-1", data=data)
        out, err = desk.communicate(timeout=120)
    assert (tip["kind"], tip["category"], tip["radius_m"]) == ("clue", "street-vendor", 15.0)
    assert (tip["note"], tip["source"]) == ("校门口", "desk")
    assert desk.returncode == 0, err
    told = [json.loads(line) for line in out.splitlines()]
    assert [one["state"] for one in told] == ["accepted", "done"]
    assert told[1]["data"]["violation"] == "v-1"
    assert told[1]["data"]["files"][0]["path"] == "after-1.jpg"
    words = ("look", "category=street-vendor", "lat=360.0", "lon=1")
    with asked(rig, broker.port, *words) as refused:
        out, err = refused.communicate(timeout=120)
    assert refused.returncode == 1
    assert "lat" in json.loads(out)["reason"]
