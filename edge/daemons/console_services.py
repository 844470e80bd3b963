# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the page asks of the camera, the seal and the rules, wired for consoled."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge import journal
from edge.config import ConfigError, Device
from edge.config.category import ELSEWHERE
from edge.console.services import NoPicture, Services, Silent
from edge.daemons.apart import python_apart
from edge.daemons.page_settings import PageSettings
from edge.daemons.zone_trial import run_trial
from edge.drone.optics import CAMERAS
from edge.drone.shifted import gcj02
from edge.handling.sources import UNDO_S
from edge.ipc import NoAnswer, ask
from edge.outbox import RECEIPT
from edge.release.store import DEFAULT_MODEL, find_manifest
from edge.rules.trust import GROUND, UNPROVEN, WEAK, best_of, of_classes
from edge.uplink.verify import check_chains, folders, verify_folder
from edge.uplink.wire import utc_text
from edge.vision.manifest import read_manifest

SNAP_S, STREAMS_S, THUMBNAILS_S, NOTICE_S, TEACH_S = 30.0, 60.0, 60.0, 25.0, 60.0
TRY_S = 90.0
PROBE_S = {"broker": 25.0, "ports": 90.0, "find_cameras": 15.0}


def services(settings: PageSettings, site_base: Path) -> Services:
    """All of them, for one box."""
    return Services(
        snap=lambda source: _snap(source, settings.run),
        verify=_verify,
        examine=examine_case,
        thumbnails=_thumbnails,
        to_gcj02=gcj02,
        law={name: category.law for name, category in settings.categories.items()},
        try_zones=lambda text, camera: run_trial(text, camera, settings.run, site_base),
        review=lambda *words: _review(settings.state, *words),
        withdraw=lambda *words: _withdraw(settings.state, *words),
        categories=page_categories(settings),
        outbox=settings.outbox,
        drone_cameras=tuple(camera.name for camera in CAMERAS),
        broker=_broker(settings.device),
        test_broker=lambda: _asked(settings.run, "uplinkd", "broker", "advice"),
        scan_ports=lambda: _asked(settings.run, "sensord", "ports", "ports"),
        test_notice=lambda hook: _notice(settings.run, hook),
        camera_streams=lambda *words: _streams(settings.run, *words),
        find_cameras=lambda: _asked(settings.run, "visiond", "find_cameras", "cameras"),
        teach=lambda words: _answered(settings.run, "visiond", "teach", TEACH_S, **words),
        trust=lambda model: trusted(settings, model),
        try_sensor=lambda entry: _answered(
            settings.run, "sensord", "try_instrument", TRY_S, entry=dict(entry)
        ),
        instruments=lambda: _instruments(site_base),
    )


def page_categories(settings: PageSettings) -> dict[str, dict[str, Any]]:
    """What a camera can be set to watch, by name."""
    return {
        name: {"zh": c.zh, "en": c.en, "codes": c.codes, "dwell_s": c.dwell_s}
        for name, c in settings.categories.items()
        if c.kind not in ELSEWHERE
    }


def trusted(settings: PageSettings, model: str) -> dict[str, str]:
    """Category to weak or unproven, where a fixed camera's rule relies on such classes of the model
    (edge.rules.trust); a model that is not there is proven nowhere and reported elsewhere."""
    try:
        manifest = read_manifest(find_manifest(settings, model or DEFAULT_MODEL))
    except ConfigError:
        return {}
    known = best_of(manifest.good_for, GROUND)
    grades = {name: of_classes(known, one.classes) for name, one in settings.categories.items()}
    return {name: word for name, word in grades.items() if word in (WEAK, UNPROVEN)}


def _snap(source: str, run: Path) -> bytes:
    """Asked of edge-visiond, which may open devices. Raises NoPicture."""
    try:
        found = ask(run, "visiond", "test_picture", limit_s=SNAP_S, source=source)
    except NoAnswer:
        raise NoPicture("silent", source) from None
    if found.jpeg is None:
        raise NoPicture(str(found.facts.get("cause")), str(found.facts.get("error")))
    return found.jpeg


def _notice(run: Path, hook: str) -> str | None:
    """Sent by uplinkd, which has the way out. Raises Silent."""
    try:
        found = ask(run, "uplinkd", "test_notice", limit_s=NOTICE_S, hook=hook)
    except NoAnswer:
        raise Silent from None
    problem = found.facts.get("problem", found.facts.get("error"))
    return None if problem is None else str(problem)


def _streams(run: Path, host: str, user: str, password: str) -> list[dict[str, Any]]:
    """What a camera has, by ONVIF with its login. Raises Silent and NoPicture."""
    words = {"host": host, "user": user, "password": password}
    try:
        found = ask(run, "visiond", "camera_streams", limit_s=STREAMS_S, **words)
    except NoAnswer:
        raise Silent from None
    if "streams" not in found.facts:
        raise NoPicture(str(found.facts.get("cause")), str(found.facts.get("error")))
    return list(found.facts["streams"])


def _asked(run: Path, daemon: str, kind: str, key: str) -> list[dict[str, Any]]:
    """Rows that a daemon finds out. Raises Silent."""
    try:
        found = ask(run, daemon, kind, limit_s=PROBE_S[kind])
    except NoAnswer:
        raise Silent from None
    if key not in found.facts:
        raise Silent
    return list(found.facts[key])


def _answered(run: Path, daemon: str, kind: str, limit_s: float, **words: Any) -> Mapping[str, Any]:
    """What a daemon answers, whole. Raises Silent."""
    try:
        return ask(run, daemon, kind, limit_s=limit_s, **words).facts
    except NoAnswer:
        raise Silent from None


def _instruments(site_base: Path) -> dict[str, str]:
    """What can hang on a port, by kind or kind/map. The decoders are loaded by whoever asks."""
    from edge.sensors.kinds import TALKERS
    from edge.sensors.maps import map_names

    maps = map_names(site_base)
    mapped = {f"{one.kind}/{name}": one.name for name, one in maps.items()}
    return {**mapped, **{str(kind): name for kind, name in TALKERS.items()}}


def _broker(device: Device) -> dict[str, str]:
    broker = device.broker
    return {
        "broker_host": f"{broker.host}:{broker.port}",
        "broker_tls": broker.tls,
        "broker_device": device.device,
    }


def _thumbnails(wanted: Sequence[tuple[Path, Path]]) -> None:
    """In a process apart: OpenCV would make the page a third larger. Raises ConfigError."""
    lines = "\n".join(json.dumps([str(case), str(into)]) for case, into in wanted)
    words = ["edge.evidence.thumbnail"]
    done = python_apart(words, "thumbnails", limit_s=THUMBNAILS_S, given=lines.encode())
    if done.returncode:
        raise ConfigError(done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])


def _verify(folder: Path) -> str | None:
    for part in folders(folder):
        verdict = verify_folder(part, unsealed=True)
        if not verdict.ok:
            return f"{part.name}/{verdict.file}: {verdict.problem}"
    return None


def examine_case(folder: Path) -> list[dict[str, Any]]:
    """Every revision of a case: hashes, signature, chain, the platform's receipt."""
    verdicts = [verify_folder(part, unsealed=True) for part in folders(folder)]
    broken, _ = check_chains(verdicts)
    return [
        {
            "revision": verdict.folder.name,
            "problem": None if verdict.ok else f"{verdict.file}: {verdict.problem}",
            "files": verdict.files,
            "signed": verdict.signed,
            "kid": verdict.kid or "",
            "seq": verdict.envelope.get("seq") if verdict.envelope else None,
            "chain": verdict not in broken,
            "receipt": (verdict.folder / RECEIPT).exists(),
        }
        for verdict in verdicts
    ]


def _review(state: Path, case_id: str, verdict: str, outcome: str, reason: str, who: str) -> None:
    """One line beside the platform's own reviews, in a file of the console's."""
    now = time.time()
    row = {
        "violation": case_id,
        "verdict": verdict,
        "outcome": outcome,
        "reason": reason,
        "at": utc_text(now),
        "by": f"console:{who}",
    }
    journal.append(_console_reviews(state, now), [row])


def _console_reviews(state: Path, now: float) -> Path:
    return state / "reviews" / f"console-{utc_text(now)[:7]}.jsonl"


def _withdraw(state: Path, case_id: str, who: str) -> bool:
    """The reviewer's last word of this case, if it is not older than a minute."""
    now, mine = time.time(), f"console:{who}"
    # A word of the last minute may stand in the file of the month before.
    for path in dict.fromkeys(_console_reviews(state, at) for at in (now, now - UNDO_S)):
        rows, _ = journal.read(path)
        own = [row for row in rows if row.get("violation") == case_id and row.get("by") == mine]
        if own:
            break
    if not own or own[-1].get("withdrawn") or str(own[-1].get("at")) < utc_text(now - UNDO_S):
        return False
    journal.append(path, [{**own[-1], "withdrawn": True}])
    return True
