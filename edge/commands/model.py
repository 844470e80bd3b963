# SPDX-License-Identifier: AGPL-3.0-or-later
"""`edge model`: what models there are, whether they are what they claim, how fast they run; which
form of them is best on this board; packing a release, and putting one in force."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from edge.config.device import Provider

if TYPE_CHECKING:
    from edge.vision.model import Model

RELEASES = ("pack", "install", "rollback", "status")
EPILOG = """examples:
  edge model list
  edge model verify models/city-v1.yaml --provider tensorrt   (builds the engine, minutes)
  edge model bench models/city-v1.yaml --seconds 5 --json
  edge model tune                        which file, runtime and workers are best on this board
  edge model pack models/city-v1.yaml --release 2 --pictures models/selftest --key release.pem
  edge model install city-v1-r2.zip      (checked, self-tested, switched, watched by visiond)
  edge model status                      what is in force, what is on trial, what was taken back
  edge model rollback city-v1            back to the release before"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with models, which ones, and how to open them."""
    parser.add_argument("action", choices=(*_ACTIONS, "tune", *RELEASES))
    parser.add_argument(
        "manifest",
        nargs="*",
        type=Path,
        help="manifests; without any, all of --models. install: a package; rollback: a name",
    )
    parser.add_argument("--models", type=Path, default=None, help="folder of manifests")
    parser.add_argument("--variant", help="a variant of the manifest, such as int8")
    parser.add_argument(
        "--provider",
        default="auto",
        choices=get_args(Provider),
    )
    parser.add_argument("--image", type=Path, help="a picture to look at instead of a grey one")
    parser.add_argument("--seconds", type=float, default=3.0, help="bench, tune: how long")
    parser.add_argument("--workers", type=int, default=0, help="bench: threads; 0: one a core")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--if-needed", action="store_true", help="tune: only what was not measured on this board"
    )
    release = parser.add_argument_group("tune, pack, install, rollback, status")
    release.add_argument("--site", help="default: /etc/edge/site.yaml, if it exists")
    release.add_argument("--device", help="default: /etc/edge/device.yaml, if it exists")
    release.add_argument("--release", type=int, help="number of the release; it only ever rises")
    release.add_argument("--name", help="name that the site calls the model by")
    release.add_argument("--sha256", help="install: of the package that the platform named")
    release.add_argument("--pictures", type=Path, help="pack, tune: folder of self-test pictures")
    release.add_argument("--key", type=Path, help="pack: private release key (PEM, Ed25519)")
    release.add_argument("--out", type=Path, help="pack: the package to write")


def run(args: argparse.Namespace) -> int:
    """1 where a model does not verify, or a package is refused; 0 else."""
    if args.action in RELEASES:
        from edge.commands.model_release import run_release

        return run_release(args)
    if args.action == "tune":
        from edge.commands.model_tune import run_tune

        return run_tune(args)
    worst = 0
    for path in _manifests(args):
        row = _ACTIONS[args.action](path, args)
        worst = max(worst, 0 if row.get("ok", True) else 1)
        print(json.dumps(row, ensure_ascii=False) if args.json else _line(args.action, row))
    return worst


def _manifests(args: argparse.Namespace) -> list[Path]:
    from edge.config import ConfigError

    for path in args.manifest:
        if not path.is_file():
            raise ConfigError(f"{path}: no such manifest")
    if args.manifest:
        return list(args.manifest)
    folder = args.models or _default_folder()
    found = sorted(folder.glob("*.yaml"))
    if not found:
        raise ConfigError(f"{folder}: no model manifest (*.yaml) here; name one, or use --models")
    return found


def _default_folder() -> Path:
    """The device's folder of models where it is set up, else those that came with the program."""
    from edge.config import ConfigError, Device
    from edge.config.shipped import shipped

    installed = Path(Device().folders.models)
    if installed.is_dir():
        return installed
    try:
        return shipped("models")
    except FileNotFoundError as error:
        raise ConfigError(f"{error}; name a manifest, or use --models") from None


def _listed(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    from edge.config import ConfigError
    from edge.vision.manifest import read_manifest

    try:
        manifest = read_manifest(path)
    except ConfigError as error:
        return {"manifest": str(path), "ok": False, "error": str(error)}
    return {
        "manifest": str(path),
        "ok": True,
        "name": manifest.name or path.stem,
        "file": manifest.file,
        "sha256": manifest.sha256,
        "classes": list(manifest.classes),
        "input": [manifest.input.height, manifest.input.width],
        "licence": manifest.licence,
        "release": manifest.release,
        "signed": manifest.signature is not None,
        "metrics": manifest.metrics,
        "variants": sorted(manifest.variants),
    }


def _verified(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Hash of the file and of every variant, a real inference of the chosen one, and the known
    objects of its self-test pictures, where the manifest has some."""
    from edge.config import ConfigError
    from edge.release.selftest import check_boxes
    from edge.vision.manifest import read_manifest, resolve

    try:
        manifest = read_manifest(path)
        for variant in (None, *manifest.variants):
            resolve(path, variant)
        model, image = _loaded(path, args), _picture(args)
        found = model.detect(image)
        proved = check_boxes(model, manifest.selftest, path.parent) if manifest.selftest else None
    except ConfigError as error:
        return {"manifest": str(path), "ok": False, "error": str(error)}
    return {
        "manifest": str(path),
        "ok": True,
        "name": model.name,
        "sha256": model.sha256,
        "provider": model.provider,
        "input": list(model.shape_for(image)),
        "boxes": len(found),
        "proved": proved,
    }


def _benched(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    from edge.vision.pace import measure

    model, image = _loaded(path, args), _picture(args)
    pace = measure(model, image, seconds=args.seconds, progress=_progress)
    return {
        "manifest": str(path),
        "name": model.name,
        "provider": model.provider,
        "input": list(model.shape_for(image)),
        "workers": model.workers,
        "pictures_per_s": round(pace.pictures_per_s, 2),
        "cpu_ms": round(pace.cpu_ms, 2),
        "p50_ms": round(pace.p50_ms, 2),
        "p95_ms": round(pace.p95_ms, 2),
        "streams_at_5_fps": int(pace.pictures_per_s / 5),
    }


def _loaded(path: Path, args: argparse.Namespace) -> Model:
    from edge.vision.proof import open_model

    return open_model(
        path, provider=args.provider, workers=max(0, args.workers), variant=args.variant
    )


def _picture(args: argparse.Namespace) -> Any:
    import cv2
    import numpy as np

    from edge.config import ConfigError

    if args.image is None:
        return np.full((1080, 1920, 3), 114, np.uint8)
    image = cv2.imread(str(args.image))
    if image is None:
        raise ConfigError(f"--image {args.image}: not a readable picture")
    return image


def _progress(share: float) -> None:
    if sys.stderr.isatty():
        end = "\n" if share >= 1 else ""
        print(f"\rmeasuring {share:4.0%}", end=end, file=sys.stderr, flush=True)


def _line(action: str, row: dict[str, Any]) -> str:
    if not row.get("ok", True):
        return f"BAD   {row['error']}"
    size = "x".join(str(side) for side in row["input"])
    if action == "list":
        more = f", variants {', '.join(row['variants'])}" if row["variants"] else ""
        signed = "signed" if row["signed"] else "not signed"
        return (
            f"{row['name']}: release {row['release']}, {len(row['classes'])} classes, {size}, "
            f"{row['licence']}, {signed}, sha256 {row['sha256'][:12]}{more}"
        )
    if action == "verify":
        proved = row["proved"] or "not proved on a picture with known objects (no selftest)"
        said = f"sha256 {row['sha256'][:12]}, {size} on {row['provider']}"
        return f"good  {row['name']}: {said}; {proved}"
    return (
        f"{row['name']} {size} on {row['provider']}, {row['workers']} worker(s): "
        f"{row['pictures_per_s']:.1f} pictures/s, {row['cpu_ms']:.1f} ms CPU each, "
        f"p95 {row['p95_ms']:.0f} ms; {row['streams_at_5_fps']} stream(s) at 5 a second "
        "before decoding"
    )


_ACTIONS = {"list": _listed, "verify": _verified, "bench": _benched}
