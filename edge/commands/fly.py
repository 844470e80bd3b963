# SPDX-License-Identifier: AGPL-3.0-or-later
"""`edge fly`: a drone flight into a ledger with places."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.commands.telemetry import hours
from edge.config import ConfigError

if TYPE_CHECKING:
    from edge.config import Category
    from edge.config.dated import DatedFacts
    from edge.drone.flight import ClickedLandmark, Flight
    from edge.drone.settings import Drone
    from edge.drone.sites import RegisteredSite
    from edge.handling.flights import OpenPlace
    from edge.vision.model import Model

EPILOG = """example:
  edge fly DJI_0001.MP4 --sites config/sites.example.geojson --camera M3E --out out/0501
  edge fly DJI_0001.MP4 --telemetry DJI_0001.SRT --previous out/0424 --out out/0501 --json
  edge fly --overdue out --sites config/sites.example.geojson
  edge fly rtmp://127.0.0.1/live/dock1 --config config/drone.yaml --out out/live  (until Ctrl-C)

Telemetry is taken from the video's own track or the .SRT beside it if none is given. The ledger is
OUT/report.html with flight.json, findings.geojson, findings.kml and ledger.csv. A broken run goes
on where it stopped. --landmark (repeatable) is a point you know: video second, pixel, place."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the telemetry does not say may be said here; docs/drone.md explains each."""
    parser.add_argument("video", nargs="?", help="recording, or rtsp:// / rtmp:// while it flies")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of this flight's ledger")
    parser.add_argument(
        "--telemetry", type=Path, metavar="FILE", help="SRT, CSV, GPX, tlog, KLV, JSON"
    )
    parser.add_argument("--sites", type=Path, metavar="GEOJSON", help="register of sites")
    parser.add_argument("--camera", metavar="NAME", help="row of the camera table, as M3E")
    parser.add_argument("--hfov", type=float, metavar="DEG", help="angle of the picture's width")
    parser.add_argument("--config", type=Path, metavar="DRONE.yaml", help="how flights are judged")
    parser.add_argument("--model", help="model name or manifest (default: city-v1)")
    parser.add_argument("--device", type=Path, metavar="DEVICE.yaml", help="send violations too")
    parser.add_argument(
        "--previous", type=Path, metavar="DIR", help="ledger folder to compare with"
    )
    parser.add_argument("--history", type=Path, metavar="DIR", help="folder of all ledger folders")
    parser.add_argument("--overdue", type=Path, metavar="DIR", help="list sites not flown, and end")
    parser.add_argument("--live", type=Path, metavar="DIR", help="what this flight sent while up")
    parser.add_argument("--name", help="name of the flight")
    parser.add_argument("--serial", metavar="SN", help="which aircraft of a capture of several")
    parser.add_argument("--utc-offset", type=hours, metavar="HH:MM", help="zone of the aircraft")
    parser.add_argument("--offset", type=float, metavar="S", help="telemetry time at video start")
    parser.add_argument("--clip", type=int, metavar="N", help="which video of a flight log this is")
    parser.add_argument("--yaw-bias", type=float, metavar="DEG", help="added to every gimbal yaw")
    parser.add_argument("--landmark", action="append", default=[], metavar="S,U,V,LAT,LON")
    parser.add_argument("--gimbal-pitch", type=float, metavar="DEG", help="fixed, if not recorded")
    parser.add_argument("--gimbal-yaw", type=float, metavar="DEG", help="fixed, if not recorded")
    parser.add_argument("--height", type=float, metavar="M", help="above take-off, if not recorded")
    parser.add_argument("--takeoff-alt", type=float, metavar="M", help="[altitude] at take-off")
    parser.add_argument("--dem", type=Path, metavar="FILE", help="ground heights, .npz or .asc")
    parser.add_argument(
        "--progress", type=Path, metavar="FILE", help="JSON of how far it is, kept up to date"
    )
    parser.add_argument("--restart", action="store_true", help="look at everything again")
    parser.add_argument("--json", action="store_true", help="findings as JSON lines on stdout")


def run(args: argparse.Namespace) -> int:
    """A recording, a stream (told by its scheme) or the list of overdue sites.
    Raises ConfigError naming the file or option that is wrong."""
    from edge.drone.sites import read_sites

    sites = read_sites(args.sites) if args.sites else ()
    if args.overdue is not None:
        return _overdue(args, sites)
    if args.video is None or args.out is None:
        raise ConfigError("give VIDEO and --out DIR (or --overdue DIR --sites GEOJSON)")
    if "://" in args.video:
        return _live(args, sites)
    return _recorded(args, sites)


def _recorded(args: argparse.Namespace, sites: tuple[RegisteredSite, ...]) -> int:
    from edge.drone.conclude import conclude
    from edge.drone.flight import chosen, prepare, survey
    from edge.drone.trackonly import is_telemetry, track_only

    settings = _settings(args)
    history, root = _history(args)
    if is_telemetry(Path(args.video)):
        ledger = track_only(_given(args), settings, sites)
        return _report(args, ledger)
    flight = prepare(_given(args), settings, sites, settings.ledger.day(time.time()))
    categories = _categories(args, flight.start_wall)
    model = _model(args, settings)
    bar, progress = _Bar("looking"), _ProgressFile(args.progress)

    def reached(t_s: float, of_s: float) -> None:
        bar(t_s, of_s)
        progress(t_s, of_s)

    journal, job = survey(flight, model, reached=reached)
    bar.done()
    _say_resumed(journal.resumed, journal.count)
    ledger = conclude(
        flight,
        journal,
        job,
        (model.name, model.sha256),
        categories=chosen(categories, settings),
        sites=sites,
        history=history,
        history_root=root,
        open_places=_open_places(args, flight.start_wall),
    )
    _join_live(args, ledger)
    _send(args, flight, ledger, categories)
    return _report(args, ledger)


def _join_live(args: argparse.Namespace, ledger: dict[str, Any]) -> None:
    """Findings that went out while the aircraft was up are the same cases, not new ones."""
    if args.live is None:
        return
    from edge.drone.compare import difference
    from edge.drone.conclude import read_sent

    path = args.live / "live.jsonl"
    if not path.is_file():
        raise ConfigError(f"--live = {args.live}: no live.jsonl there")
    sent, torn = read_sent(path)
    if torn:
        print(f"{path}: {torn} lines cannot be read; left out", file=sys.stderr)
    still = difference(sent, ledger["findings"], lambda row: True).still
    for finding in ledger["findings"]:
        row = still.get(finding["id"])
        finding["live"] = {"id": row["id"], "first_utc": row["first_utc"]} if row else None


def _say_resumed(resumed: bool, count: int) -> None:
    if resumed:
        print(f"went on from an earlier run; {count} pictures in all", file=sys.stderr)


def _report(args: argparse.Namespace, ledger: dict[str, Any]) -> int:
    if args.json:
        for finding in ledger["findings"]:
            print(json.dumps(finding, ensure_ascii=False))
    for note in ledger["notes"]:
        from edge.drone.words import NOTES

        text = NOTES.get(note["key"], ("", "{text}"))[1].format(text=note["text"])
        print(f"note: {text}", file=sys.stderr)
    counts = ledger["counts"]
    print(
        f"{ledger['minutes']:.1f} min, {ledger['looks']} pictures looked at, "
        f"{counts['findings']} suspected findings ({counts['new']} new, {counts['still']} still "
        f"there, {counts['gone']} gone), {len(ledger['unplaced'])} without a place, "
        f"{ledger['blind_s']:.0f} s not inspected: {args.out / 'report.html'}",
        file=sys.stderr,
    )
    return 0


def _settings(args: argparse.Namespace) -> Drone:
    """drone.yaml with what the command line says on top."""
    import msgspec

    from edge.config import load
    from edge.drone.settings import Drone
    from edge.rules.check import check_timezone

    settings = load(args.config, Drone) if args.config else Drone()
    check_timezone(settings.ledger.timezone, f"{args.config}: ledger")
    given = {
        "camera": args.camera,
        "hfov_deg": args.hfov,
        "utc_offset_h": args.utc_offset,
        "serial": args.serial,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    if args.hfov is not None and not 1.0 < args.hfov < 170.0:
        raise ConfigError(f"--hfov = {args.hfov:g}: allowed 1..170")
    aircraft = msgspec.structs.replace(settings.aircraft, **changes)
    return msgspec.structs.replace(settings, aircraft=aircraft)


def _given(args: argparse.Namespace) -> Any:
    from edge.drone.dem import read_dem
    from edge.drone.flight import Given

    return Given(
        video=Path(args.video),
        out=args.out,
        telemetry=args.telemetry,
        name=args.name,
        offset_s=args.offset,
        clip=args.clip,
        yaw_bias_deg=args.yaw_bias,
        marks=tuple(_mark(text) for text in args.landmark),
        pitch_deg=args.gimbal_pitch,
        yaw_deg=args.gimbal_yaw,
        height_m=args.height,
        takeoff_alt_m=args.takeoff_alt,
        dem=read_dem(args.dem) if args.dem else None,
        restart=args.restart,
    )


def _mark(text: str) -> ClickedLandmark:
    from edge.drone.flight import ClickedLandmark

    try:
        t_s, u, v, lat, lon = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--landmark = {text!r}: expected S,U,V,LAT,LON") from None
    return ClickedLandmark(t_s, u, v, lat, lon)


def _history(args: argparse.Namespace) -> tuple[list[Any], Path | None]:
    from edge.drone.conclude import read_ledger

    if args.history is not None:
        return _ledgers(args.history, args.out), args.history
    if args.previous is None:
        return [], None
    folder = args.previous if args.previous.is_dir() else args.previous.parent
    if not (folder / "flight.json").is_file():
        raise ConfigError(f"--previous = {args.previous}: no flight.json there")
    found = read_ledger(folder / "flight.json")
    if found is None:
        raise ConfigError(f"--previous = {folder / 'flight.json'}: no ledger that can be read")
    return [found], folder.parent


def _ledgers(root: Path, own: Path | None) -> list[Any]:
    """Earlier ledgers below a folder; those that cannot be read are said, not skipped silently."""
    from edge.drone.conclude import read_history

    flights, damaged = read_history(root, but=own or root)
    for path in damaged:
        print(f"{path}: no ledger that can be read; left out", file=sys.stderr)
    return flights


def packs_of_flight(args: argparse.Namespace) -> DatedFacts:
    """The packs of the program and, with a device file, those of the box; days are Chinese ones."""
    from zoneinfo import ZoneInfo

    from edge.config import Site
    from edge.config.catalogue import shipped_packs
    from edge.config.dated import Calendar, DatedFacts
    from edge.config.paths import read_box
    from edge.release.packs import box_packs

    packs = box_packs(read_box(args.device), Site()) if args.device else shipped_packs()
    return DatedFacts(packs, Calendar(packs=packs), ZoneInfo(Site().timezone))


def _categories(args: argparse.Namespace, wall: float) -> dict[str, Category]:
    """With their codes on the day of the flight."""
    from edge.config.catalogue import load_categories
    from edge.config.dated import coded
    from edge.config.shipped import shipped

    own = [args.config.parent / "categories.yaml"] if args.config else []
    files = [shipped("config/categories.yaml"), *(path for path in own if path.is_file())]
    found = load_categories(list(dict.fromkeys(path.resolve() for path in files)))
    facts = packs_of_flight(args)
    return coded(found, facts.packs, facts.day(wall))


def _model(args: argparse.Namespace, settings: Drone) -> Model:
    from edge.config.shipped import shipped
    from edge.vision.proof import open_model

    wanted = args.model or settings.model or "city-v1"
    path = Path(wanted)
    if path.suffix not in (".yaml", ".yml"):
        try:
            path = shipped(f"models/{wanted}.yaml")
        except FileNotFoundError as error:
            raise ConfigError(f"--model = {wanted!r}: {error}") from None
    return open_model(path)


def _open_places(args: argparse.Namespace, before: float) -> list[OpenPlace]:
    """The open cases with a place of this box, where a device file says which box this is."""
    if args.device is None:
        return []
    from edge.config.paths import read_box
    from edge.handling.flights import read_open_places

    return read_open_places(read_box(args.device).state, before)


def _send(
    args: argparse.Namespace, flight: Flight, ledger: dict[str, Any], categories: Any
) -> None:
    """The same violations to this box's outbox, where a device file says which box this is."""
    if args.device is None:
        return
    from edge.config.paths import read_box
    from edge.drone.dossier import FlightPublisher
    from edge.outbox import Outbox

    box = read_box(args.device)
    outbox = Outbox(box.outbox)
    try:
        sender = FlightPublisher(box.device.device, box.evidence, outbox, packs_of_flight(args))
        sent = sender(ledger, flight.folder / "pictures", categories)
    finally:
        outbox.close()
    print(f"{sent} violations put into the outbox", file=sys.stderr)


def _overdue(args: argparse.Namespace, sites: tuple[RegisteredSite, ...]) -> int:
    from edge.drone.compare import overdue

    settings = _settings(args)
    if not sites:
        raise ConfigError("--overdue needs --sites GEOJSON")
    flights = _ledgers(args.overdue, args.out)
    days = settings.ledger.overdue_days
    late = overdue(sites, flights, settings.ledger.day(time.time()), settings.ledger)
    for row in late:
        last = row.last.isoformat() if row.last else None
        line = {"site": row.site.id, "name": row.site.name, "last": last, "days": row.days}
        since = "never flown" if last is None else f"last flown {last}, {row.days} days ago"
        print(json.dumps(line, ensure_ascii=False) if args.json else f"{row.site.name}: {since}")
    print(f"{len(late)} of {len(sites)} sites not flown for {days} days", file=sys.stderr)
    return 0


def _live(args: argparse.Namespace, sites: tuple[RegisteredSite, ...]) -> int:
    """Until Ctrl-C: pictures of the stream, poses of the broker, findings as they are confirmed."""
    from edge.commands.flylive import fly_live

    settings = _settings(args)
    return fly_live(args, settings, sites, _model(args, settings), _categories(args, time.time()))


class _ProgressFile:
    """`--progress FILE`: seconds looked at and of how many, once a second, for who waits for it."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._began_wall, self._reported_at = path, time.time(), 0.0

    def __call__(self, t_s: float, of_s: float) -> None:
        now = time.monotonic()
        if self._path is None or now - self._reported_at < 1.0:
            return
        self._reported_at = now
        from edge.runtime import write_atomic

        row = {"done_s": round(t_s, 2), "of_s": round(of_s, 2), "began_wall": self._began_wall}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, json.dumps(row).encode(), durable=False)


class _Bar:
    """One line on a terminal that grows; silent elsewhere."""

    def __init__(self, what: str) -> None:
        self._what, self._began, self._reported_at = what, time.monotonic(), 0.0
        self._shown = sys.stderr.isatty()

    def __call__(self, t_s: float, of_s: float) -> None:
        now = time.monotonic()
        if not self._shown or now - self._reported_at < 0.5:
            return
        self._reported_at = now
        share = min(1.0, t_s / of_s) if of_s > 0 else 0.0
        left = (now - self._began) * (1 - share) / share if share > 0.01 else 0.0
        filled = "#" * round(share * 30)
        sys.stderr.write(f"\r{self._what} [{filled:30}] {share:4.0%}  {left:4.0f} s left ")
        sys.stderr.flush()

    def done(self) -> None:
        if self._shown:
            sys.stderr.write("\r" + " " * 70 + "\r")
