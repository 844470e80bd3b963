# SPDX-License-Identifier: AGPL-3.0-or-later
"""A real visiond on live cameras where something always moves: looks as the rules need them."""

import time

import pytest
import yaml

from edge.daemons.visiond import STATUS_EVERY_S
from tests.daemons import box
from tests.daemons.test_recheck import until
from tests.daemons.test_visiond import status
from tests.machine_time import in_real_time
from tools.fakes.camera import clip
from tools.fakes.rtsp_camera import RtspCamera

FPS = 5.0
CAMERAS = {"seldom": {}, "whole": {"decode": "whole"}, "fixed": {"rate": "fixed"}}


@pytest.fixture
def home(tmp_path):
    """Cameras that differ in how they are looked at, with key pictures a second apart."""
    made = box.make(tmp_path, seconds=1.0, stands=(0.0, 0.0))
    site = yaml.safe_load((made / "site.yaml").read_text("utf-8"))
    template = site["cameras"][0]
    with RtspCamera(clip("h264", 320, 180, seconds=4.0, bframes=2)) as camera:
        common = {**template, "source": camera.url, "fps": FPS}
        del common["playback"]
        site["cameras"] = [{**common, "id": name, **more} for name, more in CAMERAS.items()]
        (made / "site.yaml").write_text(yaml.safe_dump(site, allow_unicode=True), "utf-8")
        yield made


@in_real_time(tries=2)
def test_a_busy_camera_is_looked_at_and_decoded_as_its_rules_need(home):
    child = box.start(home)

    def rows():
        return status(home).get("cameras", {})

    try:
        until(lambda: rows().get("seldom", {}).get("decoded") == "key", child, home)
        time.sleep(12.0 + STATUS_EVERY_S)
        seen = rows()
    finally:
        child.terminate()
        child.wait(90.0)
    decoded = {name: row["decoded"] for name, row in seen.items()}
    # Where processors are idle, what lies between the key pictures tells of what comes.
    assert decoded.pop("seldom") in ("key", "nonref")
    assert decoded == {"whole": "all", "fixed": "all"}
    # What is wanted is said as such: nobody is told that a look a second is too few.
    assert {name: row["fps_wanted"] for name, row in seen.items()} == {
        "seldom": 1.0,
        "whole": 1.0,
        "fixed": FPS,
    }
    assert 0.5 <= seen["seldom"]["fps"] <= 1.5 and 0.5 <= seen["whole"]["fps"] <= 1.5
    assert seen["fixed"]["fps"] >= 2.0 * seen["seldom"]["fps"]
    assert [row["blind"] for row in seen.values()] == [None] * 3
