# SPDX-License-Identifier: AGPL-3.0-or-later
"""A real daemon as a child, whose loop freezes when the file `freeze` appears in its home.

    python -m tests.field.daemon NAME HOME

visiond has the detector of tests.daemons.box, and the folder `board` of its home in place of "/",
where there is one; the limits after which a loop counts as stuck are short. Everything else is
the product's.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from edge.board import Board
from tests.daemons import box

STUCK_S = 2.0
FILES = ("site.yaml", "device.yaml")


def make(folder: Path) -> Path:
    """A home with an endless camera; the uplink's broker does not exist."""
    box.make(folder, seconds=20.0)
    site = (folder / "site.yaml").read_text("utf-8").replace("playback: fast", "playback: loop")
    (folder / "site.yaml").write_text(site, "utf-8")
    device = (folder / "device.yaml").read_text("utf-8")
    (folder / "device.yaml").write_text(f"{device}trust: {{down: tls, release: puback}}\n", "utf-8")
    return folder


def _frozen(home: Path) -> None:
    if (home / "freeze").exists():
        (home / "frozen").touch()
        threading.Event().wait()


def _visiond(home: Path):
    from edge.daemons import visiond

    class Freezing(box.SquareModel):
        def detect(self, image, **options):
            _frozen(home)
            return super().detect(image, **options)

    if (home / "board").is_dir():
        visiond.Board = lambda: Board(home / "board")
    visiond.WORKER_LIMIT_S = STUCK_S
    visiond.load_models = lambda settings, unsound: {settings.site.model: Freezing()}
    return visiond.main


def _uplinkd(home: Path):
    from edge.daemons import uplinkd

    whole = uplinkd.Pump.step

    def step(self, wait_s):
        _frozen(home)
        whole(self, wait_s)

    uplinkd.STUCK_S, uplinkd.Pump.step = STUCK_S, step
    return uplinkd.main


def _sensord(home: Path):
    from edge.daemons import sensord

    return sensord.main


def _consoled(home: Path):
    from edge.daemons import consoled

    return consoled.main


DAEMONS = {"visiond": _visiond, "uplinkd": _uplinkd, "sensord": _sensord, "consoled": _consoled}


def main(name: str, home: Path) -> int:
    from edge import runtime

    entry = DAEMONS[name](home)
    site, device = (str(home / file) for file in FILES)
    return runtime.run(lambda stop, notify: entry(stop, notify, site_path=site, device_path=device))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
