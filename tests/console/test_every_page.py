# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every page of a full box, both languages, both widths, light and dark: axe-core finds nothing
serious, every title is its own, and the pictures lie in EDGE_SCREENSHOTS for a person to look at.

axe-core (MPL-2.0) comes by `npm pack` into a cache outside the repository, once.
"""

import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from edge.evidence.album import jpeg
from edge.handling.store import append_steps
from tests.console.conftest import put_case
from tests.console.test_browser import ACCESSIBILITY, playwright, served, shot, visit
from tests.console.test_desk import case_id, found, put_at, put_overdue, step
from tests.console.test_pages_browser import fill

__all__ = ["playwright", "served", "visit"]
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
AXE = "4.14.1"
SERIOUS = ("serious", "critical")
PAGES = ["/live", "/zones", "/cases", "/cases?review=overdue", "/cases/v-0000000021",
         "/cases/v-0000000022", "/day", "/map", "/statistics", "/labels", "/sensors", "/flights",
         "/health", "/setup", "/setup/file", "/setup/link", "/setup/ports", "/setup/sensor",
         "/setup/sensors/noise", "/setup/accounts", "/setup/audit",
         "/setup/place", "/setup/access", "/setup/notices", "/teach/north/z",
         "/account", "/manual", "/manual/settings", "/manual/operations", "/nowhere"]  # fmt: skip
TOLD = """async () => {
  const found = await axe.run(document, {resultTypes: ['violations'],
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']});
  return found.violations.map((one) =>
    [one.impact, one.id, one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160))]);
}"""


@pytest.fixture(scope="module")
def axe():
    """The script as text; skipped aloud where npm cannot bring it."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "city-edge"
    kept = home / f"axe-core-{AXE}.min.js"
    if not kept.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("axe-core is not here: npm is missing")
        home.mkdir(parents=True, exist_ok=True)
        words = [npm, "pack", f"axe-core@{AXE}", "--pack-destination", str(home)]
        done = subprocess.run(words, capture_output=True, timeout=120, cwd=home)
        if done.returncode:
            pytest.skip(f"axe-core is not here: npm pack: {done.stderr.decode()[-200:]}")
        with tarfile.open(home / f"axe-core-{AXE}.tgz") as archive:
            kept.write_bytes(archive.extractfile("package/axe.min.js").read())
    return kept.read_text("utf-8")


def street(seed):
    """Pavement, road and a stall: a picture that can be told from another."""
    rng = np.random.default_rng(seed)
    picture = np.full((720, 1280, 3), (150, 150, 145), np.uint8)
    picture[430:] = (95, 95, 98)
    x = 200 + 90 * (seed % 9)
    picture[330:450, x : x + 220] = rng.integers(40, 220, 3, np.uint8)
    picture[300:332, x - 20 : x + 240] = (60, 60, 190)
    noise = rng.integers(0, 18, picture.shape, np.uint8)
    return jpeg(picture + noise)


def fill_desk(box):
    """Cases in every state beside what `fill` puts."""
    fill(box)
    text = box.site.read_text("utf-8")
    text += (
        "sensors: [{id: noise, name: 西侧噪声, kind: modbus, map: noise-rs485, port: /dev/tty7}]\n"
    )
    box.site.write_text(text + "position: {lat: 36.3893, lon: 120.4472}\n", "utf-8")
    for number in range(20, 27):
        put_case(box.state / "evidence", number, street(number))
    put_at(box, 30, (0.5, 0.7), 30)
    put_at(box, 31, (0.51, 0.7), 50)
    for name in (30, 31):
        (box.state / f"evidence/{case_id(name)}/r1/r1-overview-1.jpg").write_bytes(street(name))
    append_steps(box.state, [
        found(21), step(21, "confirmed", 20.0, due=time.time() - 7200), step(21, "filed", 19.0),
        step(21, "overdue", 2.0, role="box", by="box"),
        found(22, 30.0), step(22, "confirmed", 9.0, due=time.time() + 9e3),
        step(22, "paused", 8.0, reason="等待鉴定"),
        found(23, 90.0), step(23, "misdetected", 80.0, reason="环卫或施工作业"),
        found(24, 60.0), step(24, "confirmed", 50.0), step(24, "settled", 40.0, role="box"),
        found(25, 33.0), step(25, "confirmed", 30.0), step(25, "on_the_spot", 29.0),
        found(26, 3.0),
    ])  # fmt: skip
    put_overdue(box, 40)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_axe_finds_nothing_serious_on_any_page(visit, box, axe, size, language, scheme):
    visitor = visit(size)
    fill_desk(box)
    visitor.page.emulate_media(color_scheme=scheme)
    visitor.context.add_cookies([{"name": "edge-language", "value": language, "url": visitor.root}])
    wrong, titles = {}, {}
    for path in PAGES:
        visitor.open(path)
        visitor.page.wait_for_load_state("load")
        visitor.page.wait_for_timeout(300)
        visitor.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        name = f"{size}-{language}-{scheme}{path.replace('/', '-').replace('?', '-')}"
        shot(visitor, name)
        visitor.page.evaluate(axe)
        told = [one for one in visitor.page.evaluate(TOLD) if one[0] in SERIOUS]
        wrong[path] = told + visitor.page.evaluate(ACCESSIBILITY)
        titles[path] = visitor.page.title()
    assert {path: told for path, told in wrong.items() if told} == {}
    assert len(set(titles.values())) >= len(titles) - 1, titles
    # No visiond runs here, whom the page Teach asks for a picture; it says so.
    assert [one for one in visitor.wrong if "503" not in one] == []
