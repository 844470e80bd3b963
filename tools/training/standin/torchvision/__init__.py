# SPDX-License-Identifier: AGPL-3.0-or-later
"""Stand-in for torchvision on machines where the real one does not load.

The torchvision wheel of the package index is built for CUDA and refuses to load beside a torch
built for the CPU ("operator torchvision::nms does not exist"). Detection training needs one
function of it. tools/setup.train puts this package in its place only there.
"""

from torchvision import ops

__version__ = "0.28.0"
__all__ = ["__version__", "ops"]
