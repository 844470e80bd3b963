# SPDX-License-Identifier: AGPL-3.0-or-later
"""Packs of facts that came after the program: signed files in `<state>/packs`.

A pack is one YAML file with an Ed25519 signature over its content, by the same release key as
models. What is not sound is left out and reported; the packs of the program itself go on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.config import ConfigError, Device, Site, convert, read_yaml
from edge.config.catalogue import shipped_packs
from edge.config.dated import Packs
from edge.config.packs import Pack, check_pack
from edge.config.paths import BoxPaths
from edge.release.signing import check_signature, release_ring
from edge.release.store import Keys
from edge.runtime import make_folder, write_atomic

log = logging.getLogger(__name__)

PACK_BYTES_MAX = 1_000_000
FOLDER = "packs"


@dataclass(frozen=True, slots=True)
class LaterPack:
    """A pack in `<state>/packs`; `wrong`: why it does not count, "" where it does."""

    path: Path
    pack: Pack | None
    wrong: str


def read_signed(path: Path, keys: Keys) -> Pack:
    """A pack with a signature by one of the keys. Raises ConfigError."""
    try:
        if path.stat().st_size > PACK_BYTES_MAX:
            raise ConfigError(f"{path}: more than {PACK_BYTES_MAX} bytes")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: not a pack")
    check_signature(data, keys, str(path))
    return check_pack(convert(data, Pack, str(path)), str(path))


def arrived(state: Path, keys: Keys) -> Iterator[LaterPack]:
    """Every file of `<state>/packs`, sound or not."""
    for path in sorted((state / FOLDER).glob("*.yaml")):
        try:
            yield LaterPack(path, read_signed(path, keys), "")
        except ConfigError as error:
            yield LaterPack(path, None, str(error))


def box_packs(box: BoxPaths, site: Site) -> Packs:
    """All packs of a box: those that came later first, then the program's. Raises ConfigError for
    a pack of the program that is damaged."""
    more = list(arrived(box.state, pinned_keys(box))) if (box.state / FOLDER).is_dir() else []
    for one in more:
        if one.wrong:
            log.warning("pack left out: %s", one.wrong)
    return site_packs(site, [one.pack for one in more if one.pack])


def pinned_keys(box: BoxPaths) -> Keys:
    """The release keys; none where none is configured: then no pack that came later is sound."""
    device: Device = box.device
    try:
        return release_ring(device.updates.release_key, box.base)
    except ConfigError:
        return ()


def site_packs(site: Site, more: list[Pack] | None = None) -> Packs:
    """The program's packs (and `more`) for the place of a site. Raises ConfigError."""
    return shipped_packs((site.position.grid or "")[:6], more or ())


def install_pack(path: Path, state: Path, keys: Keys) -> tuple[Pack, Path]:
    """Lay a signed pack beside the others, durably. Raises ConfigError for one that is refused:
    no signature of ours, unsound, or older than what is here under the same name."""
    pack = read_signed(path, keys)
    name = f"{pack.title} {pack.region} {pack.edition}".lower()
    file = "".join(c if c.isascii() and c.isalnum() else "-" for c in name).strip("-") + ".yaml"
    folder = state / FOLDER
    make_folder(folder)
    there = folder / file
    if there.exists() and there.read_bytes() != path.read_bytes():
        known = next((a.pack for a in arrived(state, keys) if a.path == there), None)
        if known is not None and known.published >= pack.published:
            raise ConfigError(f"{path}: {pack.edition} of {known.published} is here already")
    write_atomic(there, path.read_bytes())
    return pack, there
