# SPDX-License-Identifier: AGPL-3.0-or-later
"""`edge model pack | install | rollback | status`: releases of a model, at the publisher's and on
the box."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from edge.config import ConfigError
from edge.config.paths import DEVICE_FILE, SITE_FILE, usual
from edge.daemons.model_updates import baseline
from edge.jsonfile import read_status
from edge.pipeline.settings import (
    Settings,
    manifest_path,
    model_names,
    read_settings,
)
from edge.release.package import check_package, write_package
from edge.release.signing import release_ring, sign
from edge.release.store import DEFAULT_MODEL, SHIPPED, ReleaseStore, shipped_manifest
from edge.vision.manifest import Manifest, read_manifest


def run_release(args: argparse.Namespace) -> int:
    """Raises ConfigError for what is refused."""
    row = _ACTIONS[args.action](args)
    if args.json:
        print(json.dumps(row, ensure_ascii=False), flush=True)
    else:
        for line in row["said"] if isinstance(row["said"], list) else [row["said"]]:
            print(line, flush=True)
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    return read_settings(usual(args.site, SITE_FILE), usual(args.device, DEVICE_FILE))


def _one(args: argparse.Namespace, what: str) -> Path:
    if len(args.manifest) != 1:
        raise ConfigError(f"{args.action}: give one {what}")
    return Path(args.manifest[0])


def _pack(args: argparse.Namespace) -> dict[str, Any]:
    import msgspec

    from edge.config import read_yaml
    from edge.release.selftest import known_picture
    from edge.uplink import seal
    from edge.vision.manifest import resolve
    from edge.vision.proof import open_model

    path = _one(args, "manifest")
    if args.key is None or args.pictures is None:
        raise ConfigError("pack: --key (private release key) and --pictures (a folder) are needed")
    manifest = read_manifest(path)
    for variant in (None, *manifest.variants):
        resolve(path, variant)
    pictures = sorted(p for p in args.pictures.iterdir() if p.suffix in (".jpg", ".png"))
    if not pictures:
        raise ConfigError(f"--pictures {args.pictures}: no .jpg or .png in it")
    model = open_model(path, provider="cpu", workers=1)
    known = [known_picture(model, picture) for picture in pictures]
    data = read_yaml(path)
    slower = {"slower_at_most": manifest.selftest.slower_at_most} if manifest.selftest else {}
    data["selftest"] = {**slower, "pictures": msgspec.to_builtins(known)}
    data["name"] = args.name or manifest.name or path.stem
    data["release"] = args.release if args.release is not None else manifest.release
    out = args.out or Path(f"{data['name']}-r{data['release']}.zip")
    private = _private(args.key)
    write_package(sign(data, private), (path.parent, args.pictures), out)
    checked = check_package(out, (private.public_key(),))
    boxes = sum(len(picture.boxes) for picture in known)
    said = f"{out}: {checked.name} release {checked.manifest.release}, {boxes} known boxes on "
    return {
        "ok": True,
        "package": str(out),
        "sha256": seal.sha256(out.read_bytes()),
        "said": f"{said}{len(known)} pictures",
    }


def _private(path: Path) -> Any:
    from edge.uplink import seal

    try:
        return seal.read_private(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--key {path}: {error}") from None


def _install(args: argparse.Namespace) -> dict[str, Any]:
    from edge.ipc import Spool
    from edge.release.fetch import find_package
    from edge.release.install import InstallRequest, install

    settings = _settings(args)
    asked = None
    if args.sha256:
        if not args.name or args.release is None:
            raise ConfigError("install --sha256: --name and --release are needed too")
        asked = InstallRequest(args.name, args.release)
        url = settings.device.updates.url
        package = find_package(settings.models / "incoming", args.sha256, url)
    else:
        package = _one(args, "package")
    _say(f"{package}: checking, unpacking, self-test ...")
    done = install(package, _box(settings), asked=asked)
    Spool(settings.run, "visiond").ask("restart")
    slower = "" if done.slower is None else f", {done.slower:.2f} of the time of the one before"
    said = f"{done.name} release {done.release} is in force on trial: {done.said}{slower}"
    return {"ok": True, "name": done.name, "release": done.release, "said": said}


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def _box(settings: Settings) -> Any:
    from edge.release.install import Box

    def in_force(name: str) -> Path | None:
        try:
            return manifest_path(settings, name)
        except ConfigError:
            return None

    updates, compute = settings.device.updates, settings.device.compute
    return Box(
        folder=settings.models,
        keys=release_ring(updates.release_key, settings.base),
        provider=compute.provider,
        shipped=lambda name: shipped_manifest(settings, name),
        in_force=in_force,
        fits=lambda name, manifest: _fits(settings, name, manifest),
        baseline=baseline(read_status(settings.run, "visiond")),
        tune=lambda manifest: _tuned(settings, manifest),
    )


def _tuned(settings: Settings, manifest: Path) -> None:
    """Where this model was measured on this board once, its new release is. Raises ConfigError,
    OSError."""
    from edge.release.tuning import tune
    from edge.vision.choice import tuned_before

    if tuned_before(settings.models, manifest.stem, manifest):
        _say(f"{manifest.stem}: measuring its forms on this board ...")
        tune(manifest, settings.models, settings.device.compute)


def _fits(settings: Settings, name: str, manifest: Manifest) -> None:
    """The rules of every camera that uses the model must know its classes."""
    from edge.rules.check import check_site

    for camera in settings.site.cameras:
        used = camera.model or settings.site.model or DEFAULT_MODEL
        if camera.enabled and used == name:
            classes, where = manifest.classes, f"release {manifest.release}"
            check_site(settings.site, camera, settings.categories, classes, where)


def _rollback(args: argparse.Namespace) -> dict[str, Any]:
    from edge.ipc import Spool

    settings = _settings(args)
    name = str(_one(args, "name"))
    store = ReleaseStore(settings.models, name)
    state = store.read()
    if state.current == SHIPPED:
        raise ConfigError(f"{name}: the model that came with the program is in force already")
    if state.previous == state.current:
        raise ConfigError(f"{name}: no release before {state.current}")
    state = store.roll_back("asked for here")
    Spool(settings.run, "visiond").ask("restart")
    return {"ok": True, "name": name, "release": state.current, "said": _line(name, store)}


def _status(args: argparse.Namespace) -> dict[str, Any]:
    settings = _settings(args)
    names = {*model_names(settings), *(f.parent.name for f in settings.models.glob("*/state.json"))}
    found = {name: ReleaseStore(settings.models, name) for name in sorted(names)}
    models = {
        name: {"release": store.read().current, "trial": store.read().trial is not None}
        for name, store in found.items()
    }
    return {"ok": True, "models": models, "said": [_line(name, s) for name, s in found.items()]}


def _line(name: str, store: ReleaseStore) -> str:
    state = store.read()
    what = "as shipped" if state.current == SHIPPED else f"release {state.current}"
    if state.trial is not None:
        return f"{name}: {what}, on trial ({state.trial.boots} start(s)), before: {state.previous}"
    if state.last == "rolled_back":
        return f"{name}: {what}; taken back: {state.why}"
    return f"{name}: {what}"


_ACTIONS = {"pack": _pack, "install": _install, "rollback": _rollback, "status": _status}
