# SPDX-License-Identifier: AGPL-3.0-or-later
"""Thumbnails of cases: made once for each revision, many at a time, kept below the page's folder.

`make` works in a process apart and takes a while; a picture that is asked for waits for it without
a thread of its own.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from edge.config import ConfigError
from edge.console.cases import CASE_ID
from edge.console.web import console_of
from edge.runtime import make_folder

MakeThumbnails = Callable[[Sequence[tuple[Path, Path]]], None]
REVISION_NUMBER = re.compile(r"^[1-9]\d{0,4}$")
# Some forty megabytes of thumbnails.
KEPT = 4_000
WAIT_S, LOOK_S = 25.0, 0.05
# Nobody who asks for many cases at once makes the queue longer than this.
WAITING_MOST = 200
NOTHING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 5" width="320" height="200"/>'
# The address names the revision: what it shows never changes.
LASTS = {"Cache-Control": "private, max-age=31536000, immutable"}


class ThumbnailFolder:
    """See the module. Any thread."""

    def __init__(self, evidence: Path, folder: Path, make: MakeThumbnails) -> None:
        self._evidence, self._folder, self._make = evidence, folder, make
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, int], None] = {}
        self._at_work = False
        self.failed_mono = -WAIT_S

    def path(self, case_id: str, revision: int) -> Path:
        return self._folder / f"{case_id}-r{revision}.jpg"

    def want(self, cases: Iterable[tuple[str, int]]) -> None:
        """Make what is missing, in the background."""
        missing = [one for one in cases if not self.path(*one).exists()]
        with self._lock:
            for one in missing:
                if len(self._waiting) < WAITING_MOST:
                    self._waiting.setdefault(one)
            if self._at_work or not self._waiting:
                return
            self._at_work = True
        threading.Thread(target=self._work, name="thumbnails", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                wanted, self._waiting = list(self._waiting), {}
                self._at_work = bool(wanted)
            if not wanted:
                return
            try:
                make_folder(self._folder)
                self._make([(self._evidence / case, self.path(case, n)) for case, n in wanted])
                self._forget()
            except (ConfigError, OSError):
                # Who waits sees no picture, and the next page asks again.
                self.failed_mono = time.monotonic()

    def _forget(self) -> None:
        """The longest not made go."""
        made = sorted(self._folder.glob("v-*.jpg"), key=lambda path: path.stat().st_mtime)
        for path in made[: max(0, len(made) - KEPT)]:
            path.unlink(missing_ok=True)


def thumbnails_of(request: Request) -> ThumbnailFolder:
    """One for the application."""
    state = request.app.state
    if not hasattr(state, "thumbnails"):
        console = console_of(request)
        folder = console.reading.state / "console" / "thumbs"
        make = console.services.thumbnails
        state.thumbnails = ThumbnailFolder(console.reading.evidence, folder, make)
    found: ThumbnailFolder = state.thumbnails
    return found


async def thumbnail(request: Request) -> Response:
    """The offence in at most twelve kilobytes; an empty picture where none can be read."""
    case_id, revision = request.path_params["id"], request.path_params["revision"]
    if not CASE_ID.fullmatch(case_id) or not REVISION_NUMBER.fullmatch(revision):
        return Response(status_code=404)
    folder, one = thumbnails_of(request), (case_id, int(revision))
    path, asked = folder.path(*one), time.monotonic()
    if not path.exists():
        if not (console_of(request).reading.evidence / case_id / f"r{revision}").is_dir():
            return Response(status_code=404)
        await run_in_threadpool(folder.want, [one])
        while not path.exists() and time.monotonic() - asked < WAIT_S:
            if folder.failed_mono > asked:
                break
            await asyncio.sleep(LOOK_S)
    if not path.exists() or not path.stat().st_size:
        # A picture that cannot be read is no broken one on the page.
        return Response(NOTHING, media_type="image/svg+xml")
    return FileResponse(path, media_type="image/jpeg", headers=LASTS)


DATA = {"/thumb/{id}/{revision}": thumbnail}
