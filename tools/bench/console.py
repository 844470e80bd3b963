# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the page costs, with the real edge-consoled in a process of its own.

    tools/console-figures                 four people at four cameras for 20 s, sizes, memory, paint
    tools/console-figures --seconds 60 --cameras 8 --people 1

Over TLS with the box's own certificate, as on a box. Costs are CPU time, for other work on the
machine would spoil anything else; a first paint is the best of ten loads. The list is weighed with
the pictures of all its cases. Memory is what is resident at its highest, after every page was
fetched, a setting was saved and a case's file was packed. Prints one JSON line for each figure with
its bound; exit 1 where one is missed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import psutil

from edge.config import Camera
from edge.evidence.album import jpeg
from edge.handling.life import CaseStep
from edge.handling.store import append_steps
from edge.pipeline.analyzer import Analysis
from edge.pipeline.preview import Preview
from edge.uplink.wire import utc_text
from edge.values import Frame, Judgement, Stamp, Track
from tools.bench.cases import steps_of
from tools.demonstration.processes import free_port
from tools.faultlab.rig import eventually

EVERY_S = 0.5
LIMIT_S = 60.0
# The fields of a form that come filled in.
FIELD = re.compile(r'<input[^>]* name="(\w+)"[^>]* value="([^"]*)"')
PASSWORD = "a-password-of-the-bench"  # noqa: S105 - of a box that lives for a minute
PAGES = (
    "/live", "/zones", "/cases", "/sensors", "/flights", "/health", "/setup", "/setup/file",
)  # fmt: skip
MORE_PAGES = (
    "/cases?page=200", "/cases?text=0042", "/cases?review=overdue", "/statistics", "/day", "/map",
    "/cases/v-00000042", "/cases/v-00000042/sheet", "/setup/audit", "/setup/ports",
    "/setup/sensor", "/manual/settings", "/manual/configuration",
)  # fmt: skip
CORE_SHARE_MOST, PAGE_KB_MOST, RSS_MB_MOST, PAINT_MS_MOST = 0.10, 100.0, 80.0, 250.0
LIST_KB_MOST, SHIFT_MOST = 400.0, 0.01
# So many cases have pictures: those of the first page of the list.
PICTURED = 24
SCREENS = {"phone": (390, 844), "laptop": (1366, 768)}
# What a load of a page showed: first contentful paint, and how much jumped after it.
SHOWN = """() => new Promise((done) => {
  let shift = 0;
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (!one.hadRecentInput) shift += one.value;
  }).observe({type: 'layout-shift', buffered: true});
  const paint = () => performance.getEntriesByName('first-contentful-paint')[0];
  const ready = () => paint() ? setTimeout(() => done([paint().startTime, shift]), 300)
    : setTimeout(ready, 20);
  ready();
})"""
# Every byte of the page's body and of what it names, cached or not.
WEIGHT = """async () => {
  for (const one of document.images) { one.loading = 'eager'; await one.decode(); }
  const names = performance.getEntriesByType('resource').map((one) => one.name);
  let sum = (await (await fetch(location.href)).arrayBuffer()).byteLength;
  for (const name of new Set(names))
    sum += (await (await fetch(name, {cache: 'reload'})).arrayBuffer()).byteLength;
  return sum;
}"""


def make_home(folder: Path, cameras: int, port: int) -> None:
    """A site of so many cameras that answer nowhere: the page is measured, not the streams."""
    rows = "".join(
        f"- {{id: cam-{n}, source: 'rtsp://192.0.2.{n + 1}/1', "
        "rules: [{category: street-vendor}]}\n"
        for n in range(cameras)
    )
    (folder / "site.yaml").write_text(f"name: bench\ncameras:\n{rows}")
    (folder / "device.yaml").write_text(
        "device: bench\nfolders: {state: state, run: run}\n"
        f"console: {{host: 0.0.0.0, port: {port}}}\n"
    )


def fill_cases(state: Path, count: int) -> None:
    """So many cases on disk, each with a manifest of real size and its steps."""
    shots = [
        {"role": "overview", "path": f"r1-overview-{n}.jpg", "sha256": "0" * 64, "size": 1,
         "at": {"mono": 1.0}, "masked": False, "told": "x" * 1500}
        for n in range(5)
    ]  # fmt: skip
    rng, steps = random.Random(17), list[CaseStep]()
    for number in range(count):
        rows = steps_of(number, rng)
        head, utc = rows[0].facts, utc_text(rows[0].at)
        began = {"utc": utc, "mono": 1.0, "quality": "ntp", "error_ms": 1.0}
        source = {"id": head["source"], "name": head["source_name"], "kind": head["kind"]}
        told = {key: head[key] for key in ("category", "names", "gate")}
        violation = {**told, "id": rows[0].case, "source": source, "began": began,
                     "decided": began, "ended": None, "codes": {}, "gate_failed": [],
                     "zone": {"zones": ["pavement"], "reason": "watched"},
                     "facts": {"dwell_s": 181.0}}  # fmt: skip
        folder = state / "evidence" / rows[0].case / "r1"
        folder.mkdir(parents=True)
        text = json.dumps({"violation": violation, "files": shots}, ensure_ascii=False)
        (folder / "manifest.json").write_text(text, "utf-8")
        steps += rows
    append_steps(state, steps)


def street(seed: int) -> np.ndarray[Any, Any]:
    """A picture that a JPEG does not find too easy: smooth patches, edges and some noise."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(30, 220, (18, 32, 3)).astype(np.uint8)
    image = np.kron(patches, np.ones((40, 40, 1), np.uint8))
    noisy = image.astype(np.int16) + rng.integers(-8, 9, image.shape)
    return np.asarray(np.clip(noisy, 0, 255).astype(np.uint8))


def look_at(camera: str, image: np.ndarray[Any, Any], number: int) -> Analysis:
    """What a camera's watch hands on after a frame with eight people in it."""
    at = Stamp(time.monotonic(), time.time(), "ntp", 1.0)
    tracks = tuple(
        Track(n, "person", (0.1 * n, 0.4, 0.1 * n + 0.05, 0.7), 0.8, at, at) for n in range(8)
    )
    return Analysis(Frame(camera, number, at, image), tracks, Judgement(()), True)


@dataclass
class Box:
    """The daemon under measurement and what it was asked."""

    folder: Path
    port: int
    process: psutil.Process
    cookie: str = ""
    sent: int = 0
    rounds: int = 0

    def get(
        self,
        path: str,
        link: http.client.HTTPSConnection | None = None,
        more: dict[str, str] | None = None,
    ) -> bytes:
        """One page as the person who came in; RuntimeError for any answer but 200."""
        link = link or self.link()
        link.request("GET", path, headers={"Cookie": self.cookie, **(more or {})})
        answer = link.getresponse()
        body = answer.read()
        if answer.status not in (200, 304):
            raise RuntimeError(f"{path}: {answer.status}")
        self.tag = answer.headers.get("ETag", "")
        return body

    def link(self) -> http.client.HTTPSConnection:
        """A connection as a browser keeps it; the certificate is the box's own."""
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=LIMIT_S, context=_any_certificate()
        )

    def enter(self, code: str) -> None:
        """Make the first account; the session's cookie is kept."""
        link = self.link()
        form = urlencode({"code": code, "name": "bench", "password": PASSWORD})
        head = {"Content-Type": "application/x-www-form-urlencoded"}
        link.request("POST", "/first", form, head)
        self.cookie = link.getresponse().headers["Set-Cookie"].partition(";")[0]

    def cpu_s(self) -> float:
        used = self.process.cpu_times()
        return float(used.user + used.system)


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextmanager
def consoled(folder: Path, cameras: int, cases: int) -> Iterator[Box]:
    """A real consoled that a person has just entered, ended afterwards."""
    port = free_port()
    make_home(folder, cameras, port)
    fill_cases(folder / "state", cases)
    put_pictures(folder / "state")
    files = ["--site", str(folder / "site.yaml"), "--device", str(folder / "device.yaml")]
    log = folder / "log"
    with log.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "edge", "consoled", *files], stdout=out, stderr=out
        )
    try:
        eventually(lambda: "the page" in log.read_text(), within_s=LIMIT_S)
        box = Box(folder, port, psutil.Process(child.pid))
        box.enter((folder / "state/console/first-code").read_text().strip())
        yield box
    finally:
        child.terminate()
        child.wait(20)


def visit(box: Box, cameras: list[str], until: float) -> None:
    """What the page's script does for one person: all looks twice a second, and the pictures
    that are new."""
    link, seen = box.link(), dict[str, str]()
    while time.monotonic() < until:
        due = time.monotonic() + EVERY_S
        looks = json.loads(box.get("/data/looks", link))
        for name in cameras:
            if (tag := looks[name].get("tag", "")) != seen.get(name):
                seen[name] = tag
                box.sent += len(box.get(f"/data/picture/{name}", link))
        box.rounds += 1
        time.sleep(max(0.0, due - time.monotonic()))


def live_view(box: Box, cameras: int, people: int, seconds: float) -> dict[str, float]:
    """CPU shares of one core: the page's, and what the pictures cost edge-visiond. Both are costs
    of one round times the rounds that are due: a machine that is late does not look cheap."""
    names = [f"cam-{n}" for n in range(cameras)]
    previews = [Preview(box.folder / "run", Camera(id=name, source="x")) for name in names]
    images = [street(n) for n in range(cameras)]
    began, until = box.cpu_s(), time.monotonic() + seconds
    visitors = [threading.Thread(target=visit, args=(box, names, until)) for _ in range(people)]
    pictures, made_s, longest_s, number = 0, 0.0, 0.0, 0
    for preview, image, name in zip(previews, images, names, strict=True):
        preview.show(look_at(name, image, 0))
    for visitor in visitors:
        visitor.start()
    while time.monotonic() < until:
        number += 1
        for preview, image, name in zip(previews, images, names, strict=True):
            before = time.thread_time()
            preview.show(look_at(name, image, number))
            cost_s = time.thread_time() - before
            made_s, longest_s, pictures = made_s + cost_s, max(longest_s, cost_s), pictures + 1
        time.sleep(EVERY_S)
    for visitor in visitors:
        visitor.join()
    return {
        "page_share": (box.cpu_s() - began) / box.rounds * people / EVERY_S,
        "pictures_share": made_s / pictures * cameras / EVERY_S,
        "longest_ms": longest_s * 1000.0,
        "kbit_s": box.sent * 8 / 1000.0 / box.rounds * people / EVERY_S,
    }


def put_pictures(state: Path) -> None:
    """Overviews for the newest cases, which the first page of the list shows."""
    folders = list((state / "evidence").iterdir())
    for n, folder in enumerate(sorted(folders, key=_began, reverse=True)[:PICTURED]):
        (folder / "r1/r1-overview-4.jpg").write_bytes(jpeg(street(n)))


def _began(folder: Path) -> str:
    told = json.loads((folder / "r1/manifest.json").read_bytes())
    return str(told["violation"]["began"]["utc"])


def in_browser(box: Box) -> Iterator[tuple[str, float, float | None]]:
    """First paint of Live and of the list, the list's weight and what jumps in it, on a phone and
    on a laptop; nothing without Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        return
    from playwright.sync_api import sync_playwright

    root = f"https://127.0.0.1:{box.port}"
    name, _, value = box.cookie.partition("=")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for screen, (width, height) in SCREENS.items():
            size: Any = {"width": width, "height": height}
            context = browser.new_context(viewport=size, ignore_https_errors=True)
            context.add_cookies([{"name": name, "value": value, "url": root}])
            page = context.new_page()
            for path in ("/live", "/cases"):
                shown = [_load(page, root + path) for _ in range(10)]
                yield f"first_paint_ms {path} {screen}", min(s[0] for s in shown), PAINT_MS_MOST
                yield f"layout_shift {path} {screen}", max(s[1] for s in shown), SHIFT_MOST
            yield f"list_kb {screen}", page.evaluate(WEIGHT) / 1000.0, LIST_KB_MOST
        browser.close()


def _load(page: Any, url: str) -> tuple[float, float]:
    page.goto(url)
    page.wait_for_load_state("load")
    paint_ms, shift = page.evaluate(SHOWN)
    return float(paint_ms), float(shift)


def edit(box: Box) -> None:
    """Save another name of the site, as the form of the page does."""
    form = dict(FIELD.findall(box.get("/setup/place").decode()))
    link = box.link()
    head = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": box.cookie}
    link.request("POST", "/setup/place", urlencode({**form, "name": "another"}), head)
    answer = link.getresponse()
    if answer.status != 303:
        raise RuntimeError(f"/setup/place: {answer.status}")


def figures(
    cameras: int, people: int, cases: int, seconds: float
) -> Iterator[tuple[str, float, float | None]]:
    """Name, value and bound (None: told only) of each figure."""
    with (
        tempfile.TemporaryDirectory(prefix="console-figures-") as folder,
        consoled(Path(folder), cameras, cases) as box,
    ):
        alone = live_view(box, cameras, 1, seconds / 2)
        yield "live_core_share_of_one_person", alone["page_share"], None
        live = live_view(box, cameras, people, seconds)
        yield "live_core_share", live["page_share"], CORE_SHARE_MOST
        yield "live_core_share_pictures", live["pictures_share"], None
        yield "longest_picture_ms", live["longest_ms"], None
        yield "live_kbit_s", live["kbit_s"], None
        for path in PAGES:
            yield f"page_kb {path}", len(box.get(path)) / 1000.0, PAGE_KB_MOST
        yield from in_browser(box)
        for path in MORE_PAGES:
            box.get(path)
        edit(box)
        yield "rss_mb_at_the_end", box.process.memory_info().rss / 1e6, None
        yield "rss_mb", peak_mb(box.process.pid), RSS_MB_MOST


def peak_mb(pid: int) -> float:
    """The most that was ever resident (VmHWM of proc_pid_status(5)), in millions of bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / 1e6


def main() -> int:
    """A line for each figure; 1 where a bound is not kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20.0)
    args = parser.parse_args()
    missed = 0
    for name, value, bound in figures(args.cameras, args.people, args.cases, args.seconds):
        kept = bound is None or value <= bound
        missed += not kept
        row = {"what": name, "value": round(value, 4), "bound": bound, "kept": kept}
        print(json.dumps(row), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
