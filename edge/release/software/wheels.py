# SPDX-License-Identifier: AGPL-3.0-or-later
"""Wheels laid into a slot by unpacking them: nothing of a release runs while it is laid.

PEP 427: the archive is the content of site-packages, and what lies below NAME.data/ goes to the
place its key names. What was laid is listed with its hashes, so that the same wheel comes into the
next release as hard links: neither bytes on the air nor blocks on the card.
"""

from __future__ import annotations

import hashlib
import os
import py_compile
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from edge.config import ConfigError
from edge.release.software.manifest import RELEASE_BYTES_MAX, inside

_BLOCK = 1 << 20


def file_hash(path: Path) -> str:
    """SHA-256 of a file, read in blocks. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def lay_wheel(wheel: Path, slot: Path, packages: PurePosixPath) -> dict[str, str]:
    """Unpack and compile; returns path below the slot -> SHA-256 of everything laid.

    packages: site-packages below the slot. Raises ConfigError for a wheel that is none, OSError.
    """
    laid: dict[str, str] = {}
    left = RELEASE_BYTES_MAX
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                place = _place(entry.filename, packages)
                if entry.is_dir() or place is None:
                    continue
                left -= entry.file_size
                if left < 0:
                    raise ConfigError(f"{wheel.name}: unpacks to too much")
                laid[str(place)] = _extract(archive, entry, slot / place)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ConfigError(f"{wheel.name}: not a wheel: {error}") from None
    return laid | _compiled(slot, laid)


def _place(name: str, packages: PurePosixPath) -> PurePosixPath | None:
    """Where a member goes; None for what a box does not need. Raises ConfigError."""
    if not inside(name):
        raise ConfigError(f"{name!r} leads out of its wheel")
    head, _, rest = name.partition("/")
    if not head.endswith(".data"):
        return packages / name
    key, _, rest = rest.partition("/")
    places = {"purelib": packages, "platlib": packages, "data": PurePosixPath()}
    return places[key] / rest if key in places and rest else None


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, to: Path) -> str:
    to.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with archive.open(entry) as file, to.open("wb") as out:
        while block := file.read(_BLOCK):
            digest.update(block)
            out.write(block)
    executable = entry.external_attr >> 16 & 0o111
    to.chmod(0o755 if executable else 0o644)
    return digest.hexdigest()


def _compiled(slot: Path, laid: dict[str, str]) -> dict[str, str]:
    """Bytecode beside the modules: daemons cannot write it, and would compile at every start.

    Trusted unchecked, as nothing of a slot changes once it is laid.
    """
    found = {}
    for name in laid:
        if not name.endswith(".py"):
            continue
        inner = name.partition("site-packages/")[2] or name
        try:
            made = py_compile.compile(
                str(slot / name),
                dfile=inner,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except (py_compile.PyCompileError, ValueError):
            # Templates and test data that are no modules of this Python come in wheels too.
            continue
        path = Path(str(made))
        found[str(path.relative_to(slot))] = file_hash(path)
    return found


def link_laid(laid: dict[str, str], old: Path, slot: Path) -> None:
    """The same files as hard links into another slot, each still what it was when it was laid.
    Raises ConfigError where one is not, OSError."""
    for name, sha256 in laid.items():
        if not (inside(name) and (old / name).is_file()) or file_hash(old / name) != sha256:
            raise ConfigError(f"{old / name}: is not what was laid there")
        (slot / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(old / name, slot / name)


def lay_program(slot: Path, python: str, home: Path, interpreter: Path) -> PurePosixPath:
    """An environment without pip (PEP 405) and the command; returns where packages go.

    home: where the slot will be found, which the command names: a process that runs goes on with
    the modules it began with, whatever `current` means by then. Raises OSError.
    """
    packages = PurePosixPath("lib") / f"python{python}" / "site-packages"
    (slot / packages).mkdir(parents=True)
    (slot / "bin").mkdir()
    (slot / "pyvenv.cfg").write_text(
        f"home = {interpreter.parent}\ninclude-system-site-packages = false\n", "utf-8"
    )
    (slot / "bin/python3").symlink_to(interpreter)
    (slot / "bin/python").symlink_to("python3")
    command = slot / "bin/edge"
    lines = (f"#!{home}/bin/python3", "import sys", "from edge.cli import main", "sys.exit(main())")
    command.write_text("\n".join(lines) + "\n", "utf-8")
    command.chmod(0o755)
    return packages


def sync_tree(folder: Path) -> None:
    """Every file and folder below is on the disk once this returns. Raises OSError."""
    for place in _places(folder):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _places(folder: Path) -> Iterator[Path]:
    for at, _, names in os.walk(folder):
        yield Path(at)
        yield from (Path(at) / name for name in names if not (Path(at) / name).is_symlink())


def remove_tree(folder: Path) -> None:
    """Gone, or as if it had never been there. Raises OSError where it cannot go."""
    if folder.exists():
        shutil.rmtree(folder)
