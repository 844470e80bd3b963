# SPDX-License-Identifier: AGPL-3.0-or-later
"""`python -m edge` is the command `edge`."""

import sys

from edge.cli import main

sys.exit(main())
