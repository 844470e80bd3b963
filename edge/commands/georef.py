# SPDX-License-Identifier: AGPL-3.0-or-later
"""`edge georef`: pixels to places on the ground."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.config import ConfigError

if TYPE_CHECKING:
    from edge.drone.georef import GroundView, Sigmas

EPILOG = """example:
  edge georef --pixel 1920,1080 --json --pose '{"lat": 31.2304, "lon": 121.4737, "h_m": 100,
    "yaw_deg": 0, "pitch_deg": -60, "roll_deg": 0, "width": 3840, "height": 2160, "fx": 2560}'
  edge georef --poses poses.jsonl --json      (each line also has u and v)

h_m is the height above the ground at the target; abs_alt_m, if there, is only used to turn metres
into degrees; yaw clockwise from true north, pitch 0 at the
horizon and -90 straight down. A pose may name its quality ("profile": consumer, gnss, rtk, coarse)
or its own standard deviations ("sigmas": {"xy_m", "h_m", "yaw_deg", "pitch_deg", "time_s",
"speed_mps"}); they size ce90_m. A ray that meets no ground is an error (exit 1, in line with
--poses); one flatter than 20 degrees is answered with low_confidence_geo true."""

_NEEDED = ("lat", "lon", "h_m", "yaw_deg", "pitch_deg", "width", "height", "fx")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pose", metavar="JSON", help="one pose, or the name of a file with it")
    parser.add_argument("--pixel", metavar="U,V", help="pixel from the top-left corner")
    parser.add_argument("--poses", type=Path, metavar="FILE.jsonl", help="many poses with u and v")
    parser.add_argument("--json", action="store_true", help="answer as JSON")


def run(args: argparse.Namespace) -> int:
    """One pixel, or many from a file; 1 where the ray has no place, with the reason.
    Raises ConfigError naming the file or option that is wrong."""
    if args.poses is not None:
        return _many(args.poses)
    if args.pose is None or args.pixel is None:
        raise ConfigError("give --pose and --pixel, or --poses FILE.jsonl")
    answer = _answer({**_pose(args.pose), **_pixel(args.pixel)}, "--pose")
    print(json.dumps(answer) if args.json else _plain(answer))
    return 1 if "error" in answer else 0


def _many(path: Path) -> int:
    """One answer a line, in order, whatever the line holds; the count goes to stderr."""
    total = failed = 0
    for number, line in _lines(path):
        try:
            answer = _answer(_object(line, f"line {number}"), f"line {number}")
        except ConfigError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer))
        total, failed = total + 1, failed + ("error" in answer)
    print(f"{path.name}: {total} poses, {failed} without a place", file=sys.stderr)
    return 0


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None


def _pose(text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        return _object(text, "--pose")
    lines = [line for _, line in _lines(Path(text))]
    return _object("".join(lines), text)


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{where}: not JSON: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: expected an object with {', '.join(_NEEDED)}")
    return data


def _pixel(text: str) -> dict[str, float]:
    try:
        u, v = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--pixel = {text!r}: expected U,V as 1920,1080") from None
    return {"u": u, "v": v}


def _answer(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    from edge.drone.georef import NoGround, locate

    view, sigmas = _view(data, where), _sigmas(data, where)
    u, v = _number(data, "u", where), _number(data, "v", where)
    try:
        spot = locate(view, u, v, sigmas=sigmas)
    except NoGround as error:
        return {"error": str(error)}
    return {
        "lat": round(spot.lat, 9),
        "lon": round(spot.lon, 9),
        "slant_m": round(spot.slant_m, 3),
        "ground_m": round(spot.ground_m, 3),
        "azimuth_deg": round(spot.azimuth_deg, 3),
        "depression_deg": round(spot.depression_deg, 3),
        "ce90_m": round(spot.ce90_m, 2),
        "low_confidence_geo": spot.low_confidence_geo,
    }


def _view(data: Mapping[str, Any], where: str) -> GroundView:
    from edge.drone.georef import GroundView

    missing = [name for name in _NEEDED if data.get(name) is None]
    if missing:
        raise ConfigError(f"{where}: {', '.join(missing)} missing")
    values = {name: _number(data, name, where) for name in _NEEDED}
    _within(values, "lat", 90.0, where)
    _within(values, "lon", 180.0, where)
    for name in ("width", "height", "fx"):
        if values[name] <= 0:
            raise ConfigError(f"{where}: {name} = {values[name]:g}: must be above 0")
    fy = _number(data, "fy", where) if data.get("fy") is not None else None
    roll = _number(data, "roll_deg", where) if data.get("roll_deg") is not None else 0.0
    width, height = round(values.pop("width")), round(values.pop("height"))
    return GroundView(
        **values,
        roll_deg=roll,
        width=width,
        height=height,
        fy=fy,
        ground_m=_ground(data, values["h_m"], where),
    )


def _ground(data: Mapping[str, Any], h_m: float, where: str) -> float:
    if data.get("abs_alt_m") is None:
        return 0.0
    ground_m = _number(data, "abs_alt_m", where) - h_m
    # The Dead Sea and Everest, with room for a maker's wrong datum.
    return ground_m if -1000.0 < ground_m < 9500.0 else 0.0


def _within(values: Mapping[str, float], name: str, limit: float, where: str) -> None:
    if abs(values[name]) > limit:
        raise ConfigError(f"{where}: {name} = {values[name]:g}: allowed -{limit:g}..{limit:g}")


def _number(data: Mapping[str, Any], name: str, where: str) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ConfigError(f"{where}: {name} = {value!r}: expected a number")
    return float(value)


def _sigmas(data: Mapping[str, Any], where: str) -> Sigmas:
    from edge.drone.georef import PROFILES, Sigmas

    profile = data.get("profile", "gnss")
    if profile not in PROFILES:
        raise ConfigError(f"{where}: profile = {profile!r}: allowed {', '.join(PROFILES)}")
    chosen, own = PROFILES[profile], data.get("sigmas")
    if own is None:
        return chosen
    names = ("xy_m", "h_m", "yaw_deg", "pitch_deg", "time_s", "speed_mps", "floor_m")
    if not isinstance(own, dict) or not set(own) <= set(names):
        raise ConfigError(f"{where}: sigmas = {own!r}: allowed keys {', '.join(names)}")
    given = {name: _number(own, name, f"{where}: sigmas") for name in own}
    return Sigmas(**{**{name: getattr(chosen, name) for name in names}, **given})


def _plain(answer: Mapping[str, Any]) -> str:
    if "error" in answer:
        return str(answer["error"])
    marked = "  (flatter than 20°: low confidence)" if answer["low_confidence_geo"] else ""
    return (
        f"{answer['lat']:.7f} {answer['lon']:.7f}  ±{answer['ce90_m']:g} m (CE90), "
        f"{answer['ground_m']:.1f} m away at {answer['azimuth_deg']:.1f}°{marked}"
    )
