# SPDX-License-Identifier: AGPL-3.0-or-later
"""A signed software release in a folder: objects named by their SHA-256, and manifest.json.

    tools/bundle --number 7 --key release.pem --out release-7
    tools/bundle --number 7 --key release.pem --out release-7 --python 3.13 --machine aarch64

The same commit, wheels and key give the same bytes. Wheels are those of requirements.lock that a
box needs, from --wheels (as docs/install.md makes it) or fetched once. The folder is laid on the
web server of `updates.url`, or carried to a box: edge software install FOLDER. The line that is
printed is what the platform's command update_software names.
"""

from __future__ import annotations

import argparse
import email.parser
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from edge.config import ConfigError
from edge.outbox.schema import MIGRATIONS, lowest
from edge.release.signing import sign
from edge.release.software.manifest import read_release
from edge.release.software.wheels import file_hash
from edge.rules import snapshots
from edge.uplink import seal

ROOT = Path(__file__).resolve().parents[2]
# What an installed box has of the console's extra, as tools/install installs it.
EXTRAS = ("console",)
# Files besides the wheels, and where each folder of the source lies in a slot.
LAID = {
    "config": "share/edge/config",
    "models": "share/edge/models",
    "systemd": "share/edge/systemd",
    "tools/field/provision.py": "share/edge/provision.py",
}


def source_files(source: Path, top: str) -> Iterator[Path]:
    """Files below `top` that git knows, or all of them outside a checkout; sorted."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--", top], cwd=source, capture_output=True, text=True
    )
    names = [name for name in done.stdout.split("\0") if name] if not done.returncode else []
    found = [source / name for name in names] or [
        path for path in (source / top, *(source / top).rglob("*")) if path.is_file()
    ]
    return (path for path in sorted(found) if path.is_file() and path.suffix != ".pyc")


def build_wheel(source: Path, wheels: Path, moment: int, out: Path) -> Path:
    """The program's own wheel. Raises ConfigError with pip's words."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "source"
        for path in (*source_files(source, "edge"), *_papers(source)):
            to = work / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
            to.chmod(0o644)
        words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
        words += ["--no-deps", "--no-index", "--find-links", str(wheels), "-w", str(out), str(work)]
        made = {**os.environ, "SOURCE_DATE_EPOCH": str(moment), "PYTHONHASHSEED": "0"}
        done = subprocess.run(words, capture_output=True, text=True, env=made, umask=0o022)
    if done.returncode:
        raise ConfigError(f"pip wheel: {done.stderr.strip()[-400:]}")
    (wheel,) = out.glob("city_edge-*.whl")
    return wheel


def _papers(source: Path) -> list[Path]:
    return [source / name for name in ("pyproject.toml", "README.md", "LICENSE")]


def needed(wheel: Path, wheels: Path, python: str, machine: str) -> list[Path]:
    """The wheels that a box needs for the program: what it requires, and what that requires."""
    here = {canonicalize_name(parse_wheel_filename(p.name)[0]): p for p in wheels.glob("*.whl")}
    there = {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "platform_machine": machine,
        "sys_platform": "linux",
    }
    found: dict[str, Path] = {}
    waiting: list[tuple[Path, frozenset[str]]] = [(wheel, frozenset(EXTRAS))]
    while waiting:
        path, extras = waiting.pop()
        for asked in _requires(path):
            if not _applies(asked, extras, there):
                continue
            name = canonicalize_name(asked.name)
            if name not in here:
                raise ConfigError(f"{wheels}: no wheel of {name}, which {path.name} requires")
            if name not in found:
                found[name] = here[name]
                waiting.append((here[name], frozenset(asked.extras)))
    return sorted(found.values())


def _requires(wheel: Path) -> list[Requirement]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        told = email.parser.BytesParser().parsebytes(archive.read(name))
    return [Requirement(str(line)) for line in told.get_all("Requires-Dist") or []]


def _applies(asked: Requirement, extras: frozenset[str], there: dict[str, str]) -> bool:
    if asked.marker is None:
        return True
    return any(asked.marker.evaluate({**there, "extra": extra}) for extra in (*extras, ""))


def release_of(args: argparse.Namespace, wheel: Path, objects: Path) -> dict[str, Any]:
    """The manifest without its signature; every object lies in `objects` afterwards."""
    wheels = [wheel, *needed(wheel, args.wheels, args.python, args.machine)]
    files = [
        (
            path,
            laid if path == args.source / top else f"{laid}/{path.relative_to(args.source / top)}",
        )
        for top, laid in LAID.items()
        for path in source_files(args.source, top)
    ]
    return {
        "format": 1,
        "number": args.number,
        "version": str(parse_wheel_filename(wheel.name)[1]),
        "python": args.python,
        "machine": args.machine,
        "least": args.least,
        "most": args.number - 1 if args.most is None else args.most,
        "outbox": args.outbox or len(MIGRATIONS),
        "outbox_back": args.outbox_back or lowest(),
        "snapshot": args.snapshot or snapshots.FORM,
        "forgets": args.forgets,
        "wheels": [_object(path, path.name, objects) for path in wheels],
        "files": [_object(path, name, objects) for path, name in files],
    }


def _object(path: Path, name: str, objects: Path) -> dict[str, Any]:
    sha256 = file_hash(path)
    if not (objects / sha256).exists():
        shutil.copyfile(path, objects / sha256)
    return {"path": name, "sha256": sha256, "size": path.stat().st_size}


def bundle(args: argparse.Namespace) -> dict[str, Any]:
    """Build into a fresh folder; what the platform's command names. Raises ConfigError, OSError."""
    if args.out.exists() and any(args.out.iterdir()):
        raise ConfigError(f"{args.out}: is not empty")
    try:
        private = seal.read_private(args.key.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--key {args.key}: {error}") from None
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(args.source, args.wheels, moment_of(args.source), Path(folder))
        data = sign(release_of(args, wheel, args.out), private)
    text = json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True).encode()
    release = read_release(text, (private.public_key(),), "manifest")
    (args.out / "manifest.json").write_bytes(text)
    sha256 = seal.sha256(text)
    (args.out / sha256).write_bytes(text)
    size = sum(release.objects.values())
    return {"number": release.number, "sha256": sha256, "bytes": size, "version": release.version}


def moment_of(source: Path) -> int:
    """Of the commit, so that the same commit gives the same bytes."""
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    done = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=source, capture_output=True, text=True
    )
    return int(told or done.stdout.strip() or 1_000_000_000)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The options of tools/bundle."""
    parser = argparse.ArgumentParser(
        prog="tools/bundle",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--number", type=int, required=True, help="rises with each release")
    parser.add_argument(
        "--key", type=Path, required=True, help="private release key (PEM, Ed25519)"
    )
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--python", default=f"{sys.version_info.major}.{sys.version_info.minor}")
    parser.add_argument("--machine", default="x86_64", choices=("x86_64", "aarch64"))
    parser.add_argument("--wheels", type=Path, help="folder of wheels; left out: fetched")
    parser.add_argument("--least", type=int, default=0, help="oldest release it may follow")
    parser.add_argument("--most", type=int, help="newest one; left out: the one before")
    parser.add_argument("--source", type=Path, default=ROOT, help="a checkout to build from")
    parser.add_argument("--outbox", type=int, help="schema of its outbox, where --source differs")
    parser.add_argument("--outbox-back", type=int, help="the oldest it can take it back to")
    parser.add_argument("--snapshot", type=int, help="form of its running clocks, the same")
    parser.add_argument("--forgets", action="store_true", help="running clocks may start anew")
    args = parser.parse_args(words)
    args.source = args.source.resolve()
    return args


def main(words: list[str] | None = None) -> int:
    """0 with one JSON line; 2 with the reason in one line."""
    from tools.system.roots import NoRoot, wheels

    args = arguments(words)
    try:
        args.wheels = args.wheels or wheels(args.python, args.machine)
        print(json.dumps(bundle(args)))
    except (ConfigError, NoRoot, OSError) as error:
        print(f"tools/bundle: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
