# SPDX-License-Identifier: AGPL-3.0-or-later
"""`edge state`: what a fixed place may look like, taught by a few pictures, and how surely."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.config import ConfigError

if TYPE_CHECKING:
    from edge.config import Camera, Zone
    from edge.values import Image

EPILOG = """examples:
  edge state teach --camera gate --zone bin --look right  monday.jpg rain.jpg night.jpg fog.jpg
  edge state teach --camera gate --zone bin --look wrong  full-1.jpg full-2.jpg full-3.jpg
  edge state show  --camera gate --zone bin          accuracy on pictures held out, one by one
  edge state tell  --camera gate --zone bin now.jpg  what it looks like, or why it cannot be told
  教会一个固定位置的两种样子：每种至少 3 张不同时间、天气的画面，4 到 8 张更好"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Four actions: teach, show, tell, forget."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name in _ACTIONS:
        one = actions.add_parser(name, help=(_ACTIONS[name].__doc__ or name).splitlines()[0])
        if name in ("teach", "tell"):
            one.add_argument("pictures", nargs="+", type=Path, help="pictures of the whole view")
        if name in ("teach", "forget"):
            one.add_argument("--look", metavar="NAME", help="which look")
        one.add_argument("--site", metavar="SITE.yaml")
        one.add_argument("--device", metavar="DEVICE.yaml")
        one.add_argument("--camera", metavar="ID")
        one.add_argument("--zone", metavar="ID")
        one.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """0. Raises ConfigError for what is not there or cannot be read."""
    from edge.config import Site, load
    from edge.config.paths import DEVICE_FILE, SITE_FILE, read_box, usual

    site_file = usual(args.site, SITE_FILE) or "site.yaml"
    site = load(Path(site_file), Site)
    box = read_box(usual(args.device, DEVICE_FILE))
    camera, zone = _place(args, site.cameras, site_file)
    folder = box.state / "looks" / camera.id / zone.id
    row = _ACTIONS[args.action](args, folder, zone)
    print(json.dumps(row, ensure_ascii=False) if args.json else row["said"], flush=True)
    return 0


def _place(
    args: argparse.Namespace, cameras: tuple[Camera, ...], where: str
) -> tuple[Camera, Zone]:
    camera = next((c for c in cameras if c.id == args.camera), None)
    if camera is None:
        known = ", ".join(c.id for c in cameras) or "none"
        raise ConfigError(f"{where}: --camera {args.camera!r}: unknown (known: {known})")
    zone = next((z for z in camera.zones if z.id == args.zone), None)
    if zone is None:
        known = ", ".join(z.id for z in camera.zones) or "none"
        raise ConfigError(f"{where}: camera {camera.id}: --zone {args.zone!r}: unknown ({known})")
    return camera, zone


def _images(paths: list[Path]) -> list[Image]:
    import cv2
    import numpy as np

    if not paths:
        raise ConfigError("give pictures")
    found = []
    for path in paths:
        image = cv2.imread(str(path))
        if image is None:
            raise ConfigError(f"{path}: no picture that can be read")
        found.append(np.asarray(image, np.uint8))
    return found


def _teach(args: argparse.Namespace, folder: Path, zone: Zone) -> dict[str, Any]:
    """Add pictures to a look."""
    import re

    from edge import patterns
    from edge.pipeline.taught_looks import keep_look

    if not args.look or not re.match(patterns.NAME, args.look):
        raise ConfigError("teach: --look NAME (a-z, 0-9, -): which look these pictures show")
    for image in _images(args.pictures):
        keep_look(folder, args.look, image, zone)
    return _show(args, folder, zone)


def _show(args: argparse.Namespace, folder: Path, zone: Zone) -> dict[str, Any]:
    """Counts, and each picture judged by the others: the accuracy to look at before trusting it."""
    from edge.pipeline.taught_looks import read_looks
    from edge.rules.taught import CLICKS_LEAST, held_out

    looks = read_looks(folder)
    counts = {name: len(cuts) for name, cuts in looks.items()}
    summary = ", ".join(f"{name} {count}" for name, count in counts.items()) or "nothing"
    row: dict[str, Any] = {"zone": zone.id, "looks": counts, "ready": False}
    if len(looks) < 2 or min(counts.values()) < CLICKS_LEAST:
        need = f"two looks or more, of {CLICKS_LEAST} pictures or more each"
        return {**row, "said": f"{zone.id}: taught {summary}; needed: {need} 样本不足"}
    found = held_out(looks)
    row |= {"ready": True, "right": found.right, "wrong": found.wrong, "untold": found.untold}
    said = f"held out one by one 留一检验: {found.right} right 对, {found.wrong} wrong 错, "
    return {
        **row,
        "said": f"{zone.id}: taught {summary}; {said}{found.untold} cannot tell 无法判断",
    }


def _answer(args: argparse.Namespace, folder: Path, zone: Zone) -> dict[str, Any]:
    """Say which look pictures show."""
    from edge.pipeline.taught_looks import box_of, read_looks
    from edge.rules.taught import TaughtPlace, square

    try:
        place = TaughtPlace(read_looks(folder))
    except ValueError as error:
        raise ConfigError(f"zone {zone.id}: not taught: {error}") from None
    answers = [place.tell(square(image, box_of(zone))) for image in _images(args.pictures)]
    rows = [{"look": a.look, "why": a.why, "margin": round(a.margin, 3)} for a in answers]
    said = "\n".join(
        f"{path}: {a.look or f'cannot tell 无法判断 ({a.why})'}, margin {a.margin:.2f}"
        for path, a in zip(args.pictures, answers, strict=True)
    )
    return {"zone": zone.id, "told": rows, "said": said}


def _forget(args: argparse.Namespace, folder: Path, zone: Zone) -> dict[str, Any]:
    """Drop what was taught: all looks, or the one of --look."""
    import shutil

    shutil.rmtree(folder / args.look if args.look else folder, ignore_errors=True)
    return {"zone": zone.id, "said": f"{zone.id}: forgotten {args.look or 'all'} 已清除"}


_ACTIONS = {"teach": _teach, "show": _show, "tell": _answer, "forget": _forget}
