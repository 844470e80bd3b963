# SPDX-License-Identifier: AGPL-3.0-or-later
"""The cameras of the live bench: what they send is what was encoded, and late ones say so."""

import contextlib
import json
import time

import cv2
import pytest

from edge.camera.live import LiveSource
from edge.camera.source import SourceError
from edge.camera.url import parse_source
from edge.clock import SystemClock
from tools.bench import live
from tools.bench.live_clips import Street
from tools.bench.noted_looks import NotedLook
from tools.bench.senders import Pace, Senders, read_clip, write_clip
from tools.documents.read_live import read_live
from tools.fakes.camera import Clip, clip, drawing, mark_of, marked

pytestmark = pytest.mark.decoder


def jpegs(count=20, fps=10):
    units = [
        cv2.imencode(".jpg", marked(drawing(240, 136, n), n))[1].tobytes() for n in range(count)
    ]
    return Clip("mjpeg", 240, 136, fps, tuple(units), tuple(range(count)))


def marks(url, count):
    source, found = LiveSource(parse_source(url), SystemClock()), []
    with contextlib.closing(source), contextlib.suppress(SourceError):
        for picture in source.pictures():
            found.append(mark_of(picture.bgr()))
            if len(found) == count:
                break
    return found


@pytest.mark.parametrize(
    "content",
    [clip("h264", 320, 192, bframes=2), clip("hevc", 320, 192), jpegs()],
    ids=["h264, b pictures", "hevc", "mjpeg"],
)
def test_what_comes_is_what_was_encoded_in_the_order_shown(content):
    with Senders(content) as cameras:
        found = marks(cameras.url(1), 12)
        pace = cameras.pace()
    assert found == [(found[0] + n) % len(content.units) for n in range(12)]
    assert pace.sent >= 12 and pace.cpu_s > 0.0 and cameras.url(3).endswith("/3")


def test_a_clip_comes_back_from_its_file(tmp_path):
    made = clip("h264", 320, 192, seconds=0.4)
    assert read_clip(write_clip(made, tmp_path / "clips" / "a")) == made


def test_each_camera_begins_elsewhere_and_says_when():
    with Senders(clip("h264", 320, 192)) as cameras:
        sources = [LiveSource(parse_source(cameras.url(n)), SystemClock()) for n in range(3)]
        began = cameras.pace().began
        for source in sources:
            source.close()
    assert set(began) == {"0", "1", "2"}
    assert all(time.monotonic() - at < 30.0 for at in began.values())


@pytest.mark.parametrize(
    ("pace", "said"),
    [
        (Pace(sent=1000, late=3, worst_s=0.2), ""),
        (Pace(sent=1000, late=60, worst_s=0.2), "senders were late: 6.0%"),
        (Pace(sent=1000, late=1, worst_s=1.4), "1.40 s at most"),
        (Pace(sent=1000, gone=2), "2 viewers did not read"),
        (Pace(), "nothing was sent"),
    ],
)
def test_senders_that_starved_are_not_taken_for_the_product(pace, said):
    assert said in pace.starved and bool(pace.starved) == bool(said)


def look_at(street, number, camera, came_s, at_s):
    box = street.box(number, street.arrivals[number].at_s + came_s - at_s)
    return NotedLook(camera, came_s, came_s + 0.05, (box,) if box else ())


def test_what_came_live_is_compared_with_when_and_where_it_was_sent():
    """Two cameras of the sparse street: one follows its arrival, the other looks 2 s late and at
    something else."""
    began = {"0": 100.0, "1": 107.0}
    street = Street((640, 360), live.ARRIVALS["sparse"], noise=0.0)
    clip60 = Clip("h264", 640, 360, 25, (b"",) * 1500)
    looks = [look_at(street, 0, "c0", 200.0 + t, 200.0) for t in (-0.5, 0.4, 3.0, 5.0)]
    looks += [NotedLook("c1", 149.1, 149.2, ((0.9, 0.0, 1.0, 0.1),))]
    came = live._came(looks, clip60, "sparse", Pace(sent=1, began=began), (141.0, 210.0))
    assert came == [(True, pytest.approx(0.45)), (False, pytest.approx(2.2))]


def test_figures_leave_out_what_is_not_the_products():
    row = {
        "scene": "still",
        "policy": "auto",
        "coding": "h264 25/s, key 2 s, 0 B",
        "cameras": 4,
        "core": 0.03,
        "arrivals": 0,
        "distrust": "",
    }
    late = row | {"cameras": 50, "distrust": "senders were late"}
    told = read_live("".join(json.dumps(one) + "\n" for one in (row, late)))
    assert [one.name for one in told] == ["still, 4 cameras, as shipped: core a camera"]
    assert told[0].met and "senders were late" in live.table([row, late])
