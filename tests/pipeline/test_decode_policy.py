# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which pictures of an idle camera are decoded, and that nothing due is lost by it."""

import av
import numpy as np
import pytest

from edge.pipeline.decode_policy import IDLE_AFTER_S, DecodePolicy


def wants(busy_at, *, fps=5.0, stream_fps=25.0, asleep=False, seconds=120):
    thrift = DecodePolicy(fps)
    return [
        thrift.step(float(t), busy=busy_at(t), stream_fps=stream_fps, asleep=asleep)
        for t in range(seconds)
    ]


def test_an_idle_camera_leaves_out_what_nothing_depends_on():
    told = wants(lambda t: False)
    first = told.index("nonref")
    assert first == IDLE_AFTER_S and set(told[first:]) == {"nonref"}


def test_whatever_comes_is_decoded_in_full_at_once_and_for_a_while():
    told = wants(lambda t: t in (50, 52))
    assert told[49] == "nonref" and told[50:82] == ["all"] * 32 and told[82] == "nonref"


@pytest.mark.parametrize(("fps", "stream_fps"), [(10.0, 25.0), (5.0, 0.0), (5.0, 10.0)])
def test_a_stream_with_hardly_more_pictures_than_are_due_or_unknown(fps, stream_fps):
    assert set(wants(lambda t: False, fps=fps, stream_fps=stream_fps)) == {"all"}


def test_a_camera_put_to_sleep_decodes_key_pictures():
    assert set(wants(lambda t: True, asleep=True)) == {"key"}


@pytest.mark.parametrize("between", [0, 1, 2])
def test_enough_pictures_are_left_of_a_real_stream(tmp_path, between):
    """With no, one and two B-frames between others: at least a third, and the rest unharmed."""
    path = tmp_path / "b.mp4"
    options = {"preset": "veryfast", "bf": str(between), "b_strategy": "0"}
    rng = np.random.default_rng(3)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        scene = rng.integers(0, 255, (96, 400, 3), np.uint8)
        for number in range(75):
            image = np.ascontiguousarray(scene[:, number : number + 128])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        out.mux(stream.encode())

    def decoded(skip):
        with av.open(str(path)) as file:
            file.streams.video[0].codec_context.skip_frame = skip
            return {f.pts: f.to_ndarray(format="gray") for f in file.decode(video=0)}

    whole, left = decoded("DEFAULT"), decoded("NONREF")
    assert len(whole) == 75 and len(left) >= 75 / 3
    assert len(left) < 75 or between == 0
    assert all((whole[pts] == image).all() for pts, image in left.items())
