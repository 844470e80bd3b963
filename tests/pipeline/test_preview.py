# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whether somebody looks at the page of a camera, by the touch of a file."""

import os
import time

import pytest

from edge.config import Camera, convert
from edge.pipeline.preview import WANTED_FOR_S, Preview


@pytest.mark.parametrize(
    ("age_s", "wanted"),
    [(0.0, True), (WANTED_FOR_S + 60.0, False), (-3600.0, False), (None, False)],
)
def test_only_a_touch_of_now_is_somebody_who_looks(tmp_path, age_s, wanted):
    """One of the future was made before the clock was set back."""
    camera = convert({"id": "north", "source": "x.mp4", "rules": []}, Camera, "test")
    preview = Preview(tmp_path, camera)
    if age_s is not None:
        path = tmp_path / "preview" / "north.want"
        path.touch()
        os.utime(path, (time.time() - age_s,) * 2)
    assert preview.wanted() is wanted
