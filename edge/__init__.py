# SPDX-License-Identifier: AGPL-3.0-or-later
"""City Edge: suspected street violations, with evidence, from a box on a pole."""

import os

# OpenCV makes room for the size that a picture claims before it reads any of it, up to 3 GB; it
# asks for this limit (pixels) once, when it is imported.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "100000000")

__version__ = "0.1.0"
