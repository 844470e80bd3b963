# SPDX-License-Identifier: AGPL-3.0-or-later
"""What of the network is left in float when it is quantised."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tools.training.calibrate import sensitive


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("/model.0/conv/Conv", True),
        ("/model.2/cv1/conv/Conv", True),
        ("/model.4/cv1/conv/Conv", True),
        ("/model.5/conv/Conv", False),
        ("/model.10/m/m.0/attn/MatMul", False),
        ("/model.20/conv/Conv", False),
        ("/model.23/cv2.0/cv2.0.0/conv/Conv", False),
        ("/model.23/cv3.1/cv3.1.1/cv3.1.1.1/conv/Conv", False),
        ("/model.23/cv2.2/cv2.2.2/Conv", True),
        ("/model.23/cv3.0/cv3.0.2/Conv", True),
        ("/model.23/dfl/conv/Conv", True),
        ("/model.23/Sigmoid", True),
    ],
)
def test_the_first_layers_and_the_end_of_the_head_stay_in_float(name, kept):
    assert sensitive([SimpleNamespace(name=name)]) == [name] * kept
