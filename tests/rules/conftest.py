# SPDX-License-Identifier: AGPL-3.0-or-later
"""Makes the stage of tests/replay importable here too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "replay"))
