# SPDX-License-Identifier: AGPL-3.0-or-later
"""A box with a page: real files, the real application, a fake camera behind it."""

import hashlib
import json
import re
import time
from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import expect
from starlette.testclient import TestClient

from edge.config import Site, load
from edge.console.accounts import Accounts
from edge.console.app import make_app
from edge.console.drafts import SiteFile
from edge.console.reading import BoxFolders
from edge.console.services import NoPicture, Services
from edge.console.web import ConsoleContext
from edge.evidence.thumbnail import make
from edge.uplink.wire import utc_text

# What a page comes to show it may show late where other programs have the processors.
expect.set_options(timeout=60_000)

# A real hash costs 50 ms and 64 MiB on purpose; a hundred tests need not.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb0043000302020302020303030304")
SITE = """\
name: 路口
cameras:
  - id: north
    name: 北口 <script>alert(1)</script>
    source: street.mp4
    zones:
      - {id: pavement, polygon: [[0.1, 0.5], [0.9, 0.5], [0.9, 0.95], [0.1, 0.95]]}
    rules:
      - {category: street-vendor}
"""
PASSWORD = "a-long-password"
CATEGORIES = {
    "street-vendor": {"zh": "无照经营游商", "en": "street vending", "codes": {}, "dwell_s": 180.0}
}

TRIED = {"raised": [{"category": "street-vendor"}] * 3, "seconds": 60.0, "untried": []}


def violation(number, gate="complete"):
    began = f"2026-05-01T08:{number % 60:02d}:00.000000Z"
    moment = {"utc": began, "mono": 1.0, "quality": "ntp", "error_ms": 1.0}
    return {
        "id": f"v-{number:010d}",
        "category": "street-vendor",
        "names": {"zh": "无照经营游商", "en": "street vending"},
        "codes": {"gb": "0501"},
        "source": {"id": "north", "name": "北口"},
        "began": moment,
        "decided": moment,
        "ended": None,
        "zone": {"zones": ["pavement"], "reason": "watched"},
        "gate": gate,
        "gate_failed": [] if gate == "complete" else ["clip"],
        "facts": {"dwell_s": 181.0, "class": "vendor_stall", "limits": {"dwell_s": 180}},
    }


def sha256_of(data):
    return hashlib.sha256(data).hexdigest()


def put_case(root, number, picture=JPEG, gate="complete"):
    folder = root / f"v-{number:010d}" / "r1"
    folder.mkdir(parents=True)
    name = "r1-overview-1.jpg"
    (folder / name).write_bytes(picture)
    at = {"mono": 1.0}
    file = {
        "role": "overview",
        "path": name,
        "sha256": sha256_of(picture),
        "size": 1,
        "masked": False,
    }
    body = {"violation": violation(number, gate), "files": [{**file, "at": at}]}
    (folder / "manifest.json").write_text(json.dumps(body))


class Box:
    """The page's console with what it asked of others."""

    def __init__(self, folder):
        self.folder = folder
        self.site = folder / "site.yaml"
        self.site.write_text(SITE, "utf-8")
        self.state, self.run = folder / "state", folder / "run"
        self.reviews, self.broken, self.keep_reviews = [], None, False
        (self.state / "evidence").mkdir(parents=True)
        for part in ("status", "preview", "tracks"):
            (self.run / part).mkdir(parents=True)
        self.console = ConsoleContext(
            accounts=Accounts(self.state / "console", session_s=3600.0, hasher=QUICK),
            reading=BoxFolders(self.state, self.run),
            site=SiteFile(
                self.site, lambda draft: load(draft, Site), self.state / "console/saves.jsonl"
            ),
            services=Services(
                snap=self.snap,
                verify=lambda folder: self.broken,
                try_zones=lambda text, camera: {
                    "raised": [{"category": "street-vendor"}] * 3,
                    "seconds": 60.0,
                    "untried": [],
                },
                thumbnails=make,
                review=self.review,
                withdraw=self.withdraw,
                categories=CATEGORIES,
                outbox=self.state / "outbox.db",
            ),
        )
        self.app = make_app(self.console)

    def review(self, case_id, verdict, outcome, reason, who):
        self.reviews.append((case_id, verdict, outcome, reason, who))
        if self.keep_reviews:
            row = {
                "violation": case_id,
                "verdict": verdict,
                "at": utc_text(time.time() + len(self.reviews)),
            }
            (self.state / "reviews").mkdir(exist_ok=True)
            with (self.state / "reviews/console-2026-05.jsonl").open("a") as file:
                file.write(json.dumps({**row, "outcome": outcome, "by": f"console:{who}"}) + "\n")

    def withdraw(self, case_id, who):
        mine = [row for row in self.reviews if row[0] == case_id and row[-1] == who]
        for row in mine[-1:]:
            self.reviews.remove(row)
        return bool(mine)

    def snap(self, source):
        if not source.startswith("rtsp://"):
            raise NoPicture("config", f"source = {source!r}: not allowed")
        return JPEG

    def status(self, daemon="visiond", **facts):
        body = {"daemon": daemon, "wall": time.time(), "faults": [], "counts": {}, **facts}
        (self.run / "status" / f"{daemon}.json").write_text(json.dumps(body))

    def open_metrics(self):
        self.console = replace(self.console, metrics_open=True)
        self.app.state.console = self.console

    def with_tls(self):
        self.console = replace(self.console, tls=True)
        self.app.state.console = self.console


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


@pytest.fixture
def client(box):
    """Somebody who has just made the first account, an installer."""
    found = TestClient(box.app, follow_redirects=False)
    form = {"code": box.console.accounts.first_code, "name": "张工", "password": PASSWORD}
    assert found.post("/first", data=form).status_code == 303
    return found


def csrf_of(client):
    """The word that the forms of who is logged in carry."""
    return re.search(r'name="csrf" content="([^"]+)"', client.get("/live").text)[1]
