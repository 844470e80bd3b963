# SPDX-License-Identifier: AGPL-3.0-or-later
"""The forms of the page as a clumsy person meets them: one walk for each route that takes things.

A walk says where a form is, what is typed into it, what is pressed, and how often it took effect.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.console.accounts import write_code
from edge.ipc import Spool
from edge.notices.hooks import Hook, hooks_file, read_hooks, write_hooks
from tests.console.conftest import PASSWORD, SITE, put_case
from tests.console.test_pages_browser import put_job

WHO = "installer"
KEPT = "占道经营，东侧路口 – words of a person"
# Right to left, an override of direction, an emoji, a tag, and all of it long.
ODD = "‮مرحبا שלום 🛵<script>alert(1)</script> " + "长" * 400


@dataclass(frozen=True)
class Walk:
    """One form. `page`: where it is; `form`: its selector; `words`: field -> what is typed;
    `secret`: fields that no page keeps; `press`: what sends it, within the form; `done`: how often
    it has taken effect; `script`: a script sends it and its answer is shown where `told` is."""

    page: str
    form: str
    words: dict[str, str] = field(default_factory=dict)
    secret: dict[str, str] = field(default_factory=dict)
    press: str = "button:not([type=button])"
    ready: Callable[[Any], None] = lambda box: None
    done: Callable[[Any], int] = lambda box: 0
    open: str = ""
    script: bool = False
    outside: bool = False
    # Field -> (what cannot be taken, the key of the sentence that says why).
    wrong: dict[str, tuple[str, str]] = field(default_factory=dict)


def audited(what: str) -> Callable[[Any], int]:
    """How often that stands in the record."""

    def count(box: Any) -> int:
        path = box.state / "console/audit.jsonl"
        rows = path.read_text("utf-8").splitlines() if path.exists() else []
        return sum(json.loads(row)["what"] == what for row in rows)

    return count


def asked(kind: str) -> Callable[[Any], int]:
    """How often a daemon was asked, by the fakes below."""
    return lambda box: box.asked.get(kind, 0)


def site(box: Any) -> None:
    box.site.write_text(SITE, "utf-8")


def meter(box: Any) -> None:
    entry = "  - {id: west, kind: modbus, map: noise-rs485, port: /dev/ttyUSB0}\n"
    box.site.write_text(f"{SITE}sensors:\n{entry}", "utf-8")


def case(box: Any) -> None:
    for number in range(1, 4):
        if not (box.state / f"evidence/v-{number:010d}").exists():
            put_case(box.state / "evidence", number)


def judged(box: Any) -> None:
    case(box)
    if not box.reviews:
        box.review("v-0000000001", "confirmed", "", "", WHO)


def another(box: Any) -> None:
    if "zhang" not in box.console.accounts.names():
        box.console.accounts.add("zhang", PASSWORD, "viewer")


def code(box: Any) -> None:
    write_code(box.state / "console")
    box.console.accounts.code_file.write_text("12345678")


def chat(box: Any) -> None:
    path = hooks_file(box.state)
    kept = [hook for hook in read_hooks(path) if hook.id != "hook-1"]
    url = "https://chat.example/robot"
    write_hooks(path, [Hook(id="hook-1", name="值班群", kind="plain", url=url), *kept])


def older(box: Any) -> None:
    site(box)
    box.site.with_name("site.yaml.1").write_text(SITE.replace("路口", "以前"), "utf-8")


def recording(box: Any) -> None:
    folder = box.state / "flights/recordings"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "DJI_7.MP4").write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(5000))


def waiting(box: Any) -> None:
    put_job(box, "f-3", "waiting")


def failed(box: Any) -> None:
    put_job(box, "f-2", "failed", text="a.mp4: no picture could be decoded from it")


def spooled(kind: str) -> Callable[[Any], int]:
    """Requests of a kind in the spool of flightd, counted without taking them."""

    def count(box: Any) -> int:
        spool = Spool(box.run, "flightd")
        found = list(spool.take())
        box.flown += [row["kind"] for row in found]
        return box.flown.count(kind)

    return count


def zones_saved(box: Any) -> int:
    return audited("zones")(box)


def crop(box: Any) -> None:
    from tests.console.test_labels import keep

    keep(box, "north", time.monotonic_ns() % 1_000_000)


CASE = "/cases/v-0000000001"
WALKS: dict[str, Walk] = {
    "POST /cases/{id}/review": Walk(
        CASE, "#answer", {"reason": KEPT}, press=".danger", ready=case,
        done=lambda box: len(box.reviews), wrong={"reason": (" ", "")},
    ),
    "POST /cases/{id}/undo": Walk(
        f"{CASE}?done=v-0000000001", "#undo", ready=judged, done=audited("taken back"),
    ),
    "POST /first": Walk(
        "/first", "form[action='/first']", {"code": "00000000", "name": "zhang"},
        {"password": PASSWORD}, outside=True, wrong={"code": ("00000000", "wrong_code")},
    ),
    "POST /login": Walk(
        "/login", "form[action='/login']", {"name": WHO}, {"password": PASSWORD},
        done=audited("logged in"), outside=True, wrong={"name": ("nobody", "wrong_login")},
    ),
    "POST /recover": Walk(
        "/recover", "form[action='/recover']", {"code": "12345678", "name": "li"},
        {"password": PASSWORD}, ready=code, done=audited("recovered"), outside=True,
        wrong={"code": ("00000000", "wrong_code")},
    ),
    "POST /logout": Walk("/account", "main form[action='/logout']"),
    "POST /language": Walk("/cases", "header form[action^='/language']"),
    "POST /account/password": Walk(
        "/account", "form[action='/account/password']",
        secret={"old": PASSWORD, "password": PASSWORD}, done=audited("password changed"),
        wrong={"old": ("not-the-password", "wrong_old_password")},
    ),
    "POST /setup/account": Walk(
        "/setup/accounts", "form[action='/setup/account']", {"name": "wang"},
        {"password": PASSWORD}, done=audited("account added"),
        wrong={"name": (WHO, "name_taken")},
    ),
    "POST /setup/account/remove": Walk(
        "/setup/accounts", "li:has-text('zhang') form[action$='/remove']", ready=another,
        done=audited("account removed"), open="li:has-text('zhang') summary",
    ),
    "POST /setup/account/change": Walk(
        "/setup/accounts", "li:has-text('zhang') form[action$='/change']", {"role": "auditor"},
        {"password": PASSWORD}, ready=another, done=audited("password set"),
        open="li:has-text('zhang') summary", wrong={"password": ("short", "bad_password")},
    ),
    "POST /setup/camera": Walk(
        "/setup", "form#camera", {"source": "rtsp://10.0.0.9/1", "name": "河东路"}, ready=site,
        done=audited("camera added"), wrong={"source": (" ", "error_other")},
    ),
    "POST /setup/camera/remove": Walk(
        "/setup", "form[action='/setup/camera/remove']", ready=site, done=audited("camera removed"),
    ),
    "POST /setup/snap": Walk(
        "/setup", "form#camera", {"source": "rtsp://10.0.0.9/1"}, press="#snap", ready=site,
        done=asked("snap"), script=True, wrong={"source": ("ftp://x", "cause_config")},
    ),
    "POST /setup/cameras/{camera}": Walk(
        "/setup/cameras/north", "form#camera", {"name": KEPT, "position_address": "河东路 7 号"},
        ready=site, done=audited("camera changed"),
        wrong={"min_score": ("7", "error_range")},
    ),
    "POST /setup/place": Walk(
        "/setup/place", "form#camera", {"name": KEPT}, ready=site, done=audited("site changed"),
        wrong={"position_grid": ("1", "error_form")},
    ),
    "POST /setup/notices": Walk(
        "/setup/notices", "section:last-of-type form[action='/setup/notices']",
        {"name": "夜班群", "url": "https://chat.example/two"}, done=audited("notice saved"),
        wrong={"url": ("http://chat.example/two", "hook_bad_url")},
    ),
    "POST /setup/notices/remove": Walk(
        "/setup/notices", "form[action='/setup/notices/remove']", ready=chat,
        done=audited("notice removed"),
    ),
    "POST /setup/notices/test": Walk(
        "/setup/notices", "form[action='/setup/notices/test']", ready=chat, done=asked("notice"),
        script=True,
    ),
    "POST /setup/site": Walk(
        "/setup/file", "form[action='/setup/site']", {"text": SITE.replace("路口", "河东路口")},
        press="[value=save]", ready=site, done=audited("configuration"),
        wrong={"text": ("name: [x", "error_yaml")},
    ),
    "POST /setup/roll-back": Walk(
        "/setup/file", "form[action='/setup/roll-back']", ready=older, done=audited("rolled back"),
    ),
    "POST /setup/link/test": Walk(
        "/setup/link", "main section", press="#probe", done=asked("broker"), script=True,
    ),
    "POST /setup/ports/scan": Walk(
        "/setup/ports", "main section", press="#probe", done=asked("ports"), script=True,
    ),
    "POST /setup/sensors": Walk(
        "/setup/ports", "form[action='/setup/sensors']", {"name": "西侧噪声"}, ready=site,
        done=audited("sensor added"), open="#probe", script=True,
    ),
    "POST /setup/sensor": Walk(
        "/setup/sensor", "form#sensor", {"name": KEPT, "port": "/dev/ttyUSB0"}, ready=site,
        done=audited("sensor added"), wrong={"address": ("900", "error_range")},
    ),
    "POST /setup/sensor/try": Walk(
        "/setup/sensor", "form#sensor", {"name": KEPT, "port": "/dev/ttyUSB0"}, press="#try",
        ready=site, done=asked("instrument"), script=True,
    ),
    "POST /setup/sensor/remove": Walk(
        "/setup/ports", "form[action='/setup/sensor/remove']", ready=meter,
        done=audited("sensor removed"),
    ),
    "POST /setup/sensors/{sensor}": Walk(
        "/setup/sensors/west", "form#sensor", {"name": KEPT, "port": "/dev/ttyUSB1"}, ready=meter,
        done=audited("sensor changed"), wrong={"every_s": ("-1", "error_range")},
    ),
    "POST /setup/find": Walk("/setup", "form#camera", press="#find", ready=site,
                             done=asked("find"), script=True),
    "POST /setup/streams": Walk(
        "/setup", "form[action='/setup/streams']", {"host": "10.0.0.9", "user": "admin"},
        {"password": "secret"}, ready=site, done=asked("streams"), open="#onvif > summary",
        script=True,
    ),
    "POST /data/zones/{camera}": Walk(
        "/zones?camera=north", "section.editor", {".title": "人行道"}, press="#save", ready=site,
        done=zones_saved, script=True,
    ),
    "POST /data/zones/{camera}/try": Walk(
        "/zones?camera=north", "section.editor", {".title": "人行道"}, press="#try", ready=site,
        done=asked("try"), script=True,
    ),
    "POST /labels": Walk(
        "/labels?more", "#label", press="[data-key=Y]", ready=crop, done=audited("labelled"),
    ),
    "POST /teach/{camera}/{zone}": Walk(
        "/teach/north/pavement", "section.teach", press=".now", ready=site,
        done=audited("place: teach"), script=True,
    ),
    "POST /flights/start": Walk(
        "/flights", "form[action='/flights/start']", {"title": "河东 7 月"}, ready=recording,
        done=spooled("fly"), open="#upload li summary",
    ),
    "POST /flights/remove-recording": Walk(
        "/flights", "form[action='/flights/remove-recording']", ready=recording,
        done=audited("recording removed"), open="#upload li summary",
    ),
    "POST /flights/{name}/cancel": Walk(
        "/flights/f-3", "form[action$='/cancel']", ready=waiting, done=spooled("cancel"),
    ),
    "POST /flights/{name}/again": Walk(
        "/flights/f-2", "form[action$='/again']", ready=failed, done=spooled("fly"),
    ),
}  # fmt: skip
# A file and no words: tried with files of its own.
FILES = {"PUT /flights/recordings/{name}"}


def fakes(box: Any, services: Any) -> dict[str, Callable[..., Any]]:
    """What the page asks of daemons, counted; each takes as long as a person sees."""
    box.asked, box.flown = {}, []

    def counted(kind: str, answer: Any) -> Callable[..., Any]:
        def ask(*words: Any) -> Any:
            box.asked[kind] = box.asked.get(kind, 0) + 1
            time.sleep(0.15)
            return answer(*words) if callable(answer) else answer

        return ask

    entry = "sensors:\n- {id: noise, kind: modbus, map: noise-rs485, port: /dev/ttyUSB0}\n"
    found = {"name": "noise-rs485", "values": "LA 58.3 dB", "snippet": entry}
    stream = {
        "name": "main",
        "codec": "H264",
        "width": 1920,
        "height": 1080,
        "source": "rtsp://10.0.0.9/1",
    }
    return {
        "snap": counted("snap", services.snap),
        "try_zones": counted("try", services.try_zones),
        "test_broker": counted("broker", [
            {"level": "well", "found": "TCP", "do_zh": "", "do_en": ""}]),
        "scan_ports": counted("ports", [{"port": "/dev/ttyUSB0", "error": None, "found": [found]}]),
        "find_cameras": counted("find", [
            {"host": "10.0.0.9", "name": "cam", "model": "", "source": "rtsp://10.0.0.9/1"}]),
        "camera_streams": counted("streams", [stream]),
        "teach": counted("teach", {
            "looks": {"right": [], "wrong": []}, "rules": [], "ready": False, "right": 0,
            "wrong": 0, "untold": 0, "least": 3}),
        "try_sensor": counted("instrument", {
            "cause": "well", "values": [["LA", 58.3, "dB"]], "told": "", "ports": []}),
        "instruments": lambda: {"modbus/noise-rs485": "RS-485 noise transmitter 噪声变送器"},
        "test_notice": counted("notice", lambda _: None),
    }  # fmt: skip


def wrong_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """What a person drags in by mistake: name -> (the file, the key of the sentence)."""
    rows = {
        "letter.docx": (b"PK\x03\x04" + bytes(5000), "upload_bad_name"),
        "letter.mp4": (b"Dear colleague, " * 500, "upload_wrong_kind"),
        "empty.mp4": (b"", "upload_empty"),
        "picture.srt": (b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40, "upload_wrong_kind"),
        f"{'长' * 70}.mp4": (b"\x00\x00\x00\x20ftypisom" + bytes(5000), ""),
        "‮4pm.exe": (b"MZ" + bytes(5000), "upload_bad_name"),
    }
    found = {}
    for name, (data, key) in rows.items():
        (folder / name).write_bytes(data)
        found[name] = (folder / name, key)
    return found
