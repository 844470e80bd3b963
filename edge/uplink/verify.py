# SPDX-License-Identifier: AGPL-3.0-or-later
"""Does a piece of evidence still fit together? Offline: hashes, manifest, envelope, receipt, chain.

Works on one revision's folder or any tree of them, on the box as well as in a platform's store. On
the box a record may still wait for its seal; anywhere else what nobody signed proves nothing, for
whoever changed it may have taken the envelope away. A folder holds what its manifest lists, as
plain files, and nothing else; the signed ends of the chains tell whether the last records are here.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.outbox import MANIFEST, RECEIPT
from edge.uplink import messages as m
from edge.uplink import seal
from edge.uplink.sealer import ENVELOPE, SIGNER
from edge.uplink.wire import Malformed, evidence_path, parse
from edge.values import Json

# trusted: by a key that was given or is known here. self: by the key that lies beside it, which
# proves that nothing changed since, not who made it. unsealed: not yet passed through uplinkd.
Signed = Literal["trusted", "self", "unsealed", "-"]
_BLOCK = 1 << 20
# Of one name, in every file system of Linux (limits.h, NAME_MAX).
NAME_BYTES_MAX = 255
_REVISION = re.compile(r"r[1-9][0-9]{0,4}")
# What is being written on the box at this moment; anywhere else it does not belong there.
_UNFINISHED = re.compile(
    r"\.r[0-9]+\.[0-9]+\.tmp|\.(envelope\.json|receipt\.json|signer\.pem)\..+\.tmp"
)


class Unfit(Exception):
    """Something does not fit; `file` is the first that does not."""

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"{file}: {why}")
        self.file, self.why = file, why


@dataclass(frozen=True, slots=True)
class RevisionCheck:
    """About one revision's folder. `problem` is None where all of it fits."""

    folder: Path
    problem: str | None
    file: str | None
    signed: Signed
    files: int
    envelope: Mapping[str, Json] | None
    sha256: str | None
    kid: str | None = None

    @property
    def ok(self) -> bool:
        return self.problem is None


def folders(root: Path) -> Iterator[Path]:
    """All revision folders at or below `root`: whatever holds a manifest or an envelope, or is
    called as one, also where both were taken away."""
    found = {path.parent for name in (MANIFEST, ENVELOPE) for path in root.rglob(name)}
    found |= {path for path in root.rglob("r*") if _REVISION.fullmatch(path.name) and path.is_dir()}
    hidden = re.compile(r"(^|/)\.[^/.]")
    yield from sorted(
        (f for f in found if not hidden.search(str(f.relative_to(root)))), key=_natural
    )


def _natural(path: Path) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path))
    ]


def verify_folder(
    folder: Path, trusted: Sequence[Ed25519PublicKey] = (), *, unsealed: bool = False
) -> RevisionCheck:
    """One revision: every listed file, the manifest, the envelope and the receipt.

    unsealed: a record without its envelope is no failure, as on the box before uplinkd sealed it.
    """
    files, signed, body, sha256 = 0, "-", None, None
    try:
        if folder.is_symlink():
            raise Unfit(folder.name, "is a link")
        manifest = _manifest(folder)
        files = _check_files(folder, manifest, unfinished=unsealed)
        sealed = _envelope(folder, manifest, trusted)
        signed = "unsealed"
        if sealed is not None:
            signed, body, sha256 = sealed
            _receipt(folder, sha256, trusted)
        elif (folder / RECEIPT).exists():
            raise Unfit(ENVELOPE, "missing, but there is a receipt for it")
        elif not unsealed:
            raise Unfit(ENVELOPE, "missing: unsealed, nothing says who made this and when")
    except Unfit as error:
        return RevisionCheck(folder, error.why, error.file, "-", files, body, sha256)
    except OSError as error:
        # A folder that cannot be listed is the fault of this one: the others are looked at.
        why = error.strerror or str(error)
        return RevisionCheck(folder, why, folder.name, "-", files, body, sha256)
    kid = str(body["kid"]) if body else None
    return RevisionCheck(folder, None, None, signed, files, body, sha256, kid)  # type: ignore[arg-type]


def verify_case(case: Path, *, unsealed: bool = False) -> RevisionCheck | None:
    """The folder around a violation's revisions: what lies there and is none; None for nothing."""
    for path in sorted(case.iterdir()):
        if _REVISION.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            continue
        if not (unsealed and _UNFINISHED.fullmatch(path.name)):
            why = "lies here but is no revision"
            return RevisionCheck(case, why, path.name, "-", 0, None, None)
    return None


def _manifest(folder: Path) -> dict[str, Json]:
    try:
        manifest = parse((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise Unfit(MANIFEST, error.strerror or str(error)) from None
    except Malformed as error:
        raise Unfit(MANIFEST, f"not a manifest: {error}") from None
    if not isinstance(manifest.get("files"), list) or not isinstance(manifest.get("id"), str):
        raise Unfit(MANIFEST, "has no id or no list of files")
    return manifest


def _check_files(folder: Path, manifest: Mapping[str, Json], *, unfinished: bool) -> int:
    names = {MANIFEST, ENVELOPE, SIGNER, RECEIPT}
    for row in manifest["files"]:
        try:
            name, size, sha256 = str(row["path"]), int(row["size"]), str(row["sha256"])
        except (KeyError, TypeError, ValueError):
            raise Unfit(MANIFEST, f"a file without path, size or sha256: {row!r:.80}") from None
        names.add(name)
        _check_file(_locate(folder, manifest, name), name, size, sha256)
    for path in sorted(folder.iterdir()):
        if path.name in names and (path.is_symlink() or not path.is_file()):
            raise Unfit(path.name, "is no plain file")
        if path.name not in names and not (unfinished and _UNFINISHED.fullmatch(path.name)):
            raise Unfit(path.name, "lies here but is not in the manifest")
    return len(manifest["files"])


def _locate(folder: Path, manifest: Mapping[str, Json], name: str) -> Path:
    if Path(name).name != name or name in ("", ".", ".."):
        raise Unfit(MANIFEST, f"names a file outside its folder: {name[:80]!r}")
    if "\0" in name or len(name.encode(errors="replace")) > NAME_BYTES_MAX:
        raise Unfit(MANIFEST, f"names a file that cannot be: {name[:80]!r}")
    own = folder / name
    placed = folder.parent / Path(evidence_path("x", 0, name)).parent.name / name
    return own if own.exists() else placed


def _check_file(path: Path, name: str, size: int, sha256: str) -> None:
    digest = hashlib.sha256()
    if path.is_symlink() or path.parent.is_symlink():
        raise Unfit(name, "is a link")
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
            found = file.tell()
    except OSError as error:
        raise Unfit(name, error.strerror or str(error)) from None
    if found != size:
        raise Unfit(name, f"{found} bytes, the manifest says {size}")
    if digest.hexdigest() != sha256:
        raise Unfit(name, "its SHA-256 is not the one in the manifest")


def _envelope(
    folder: Path, manifest: Mapping[str, Json], trusted: Sequence[Ed25519PublicKey]
) -> tuple[Signed, dict[str, Json], str] | None:
    if not (folder / ENVELOPE).exists():
        return None
    payload, body = _signed_json(folder, ENVELOPE)
    signed = _check_signature(folder, ENVELOPE, body, trusted)
    data = body.get("data")
    if not isinstance(data, dict):
        raise Unfit(ENVELOPE, "has no data")
    words = all(isinstance(body.get(name), str) for name in ("source", "dataschema", "prev", "kid"))
    if not words or type(body.get("seq")) is not int:
        raise Unfit(ENVELOPE, "does not say of which chain it is, or where in it")
    if data.get("manifest") != seal.sha256((folder / MANIFEST).read_bytes()):
        raise Unfit(MANIFEST, "is not the one that was sealed")
    if (data.get("id"), data.get("revision")) != (manifest["id"], manifest.get("revision")):
        raise Unfit(ENVELOPE, "is of another violation or revision")
    return signed, body, seal.sha256(payload)


def _receipt(folder: Path, sha256: str, trusted: Sequence[Ed25519PublicKey]) -> None:
    if not (folder / RECEIPT).exists():
        return
    _, body = _signed_json(folder, RECEIPT)
    _check_signature(folder, RECEIPT, body, trusted)
    if body.get("sha256") != sha256:
        raise Unfit(RECEIPT, "is for another record")


def _signed_json(folder: Path, name: str) -> tuple[bytes, dict[str, Json]]:
    """Bytes and content; they must be the canonical ones, so that no byte is without meaning."""
    try:
        payload = (folder / name).read_bytes()
        body = parse(payload)
        canonical = seal.canonical(body)
    except OSError as error:
        raise Unfit(name, error.strerror or str(error)) from None
    except ValueError as error:
        raise Unfit(name, f"not a sealed record: {error}") from None
    if canonical != payload:
        raise Unfit(name, "changed since it was sealed")
    return payload, body


def _check_signature(
    folder: Path, name: str, body: Mapping[str, Json], trusted: Sequence[Ed25519PublicKey]
) -> Signed:
    for key in trusted:
        if _signed_by(body, key):
            return "trusted"
    beside = _beside(folder)
    if beside is None or not _signed_by(body, beside):
        raise Unfit(name, "the signature does not fit")
    if trusted:
        raise Unfit(name, f"signed by an unknown key {body.get('kid')!r}")
    return "self"


def _signed_by(body: Mapping[str, Json], key: Ed25519PublicKey) -> bool:
    try:
        seal.KeyRing({str(body.get("kid")): key}).verify(body)
    except seal.Forged:
        return False
    return True


def _beside(folder: Path) -> Ed25519PublicKey | None:
    try:
        pem = (folder / SIGNER).read_bytes()
        key = seal.read_public(pem)[0]
    except (OSError, ValueError) as error:
        raise Unfit(SIGNER, f"no public key: {error}") from None
    if seal.public_pem(key) != pem:
        raise Unfit(SIGNER, "changed since it was written")
    return key


def check_chains(verdicts: Sequence[RevisionCheck]) -> tuple[list[RevisionCheck], int]:
    """(records that break their chain, numbers missing between those here).

    A gap is no error offline: released records are deleted, and other kinds count for themselves.
    """
    broken, missing = [], 0
    for chain in _chains(verdicts).values():
        for (before, sha256), (after, _, verdict) in _pairs(chain):
            step = int(after["seq"]) - int(before["seq"])
            missing += max(0, step - 1)
            if step == 0 or (step == 1 and after["prev"] != sha256):
                broken.append(verdict)
    return broken, missing


def check_ends(
    verdicts: Sequence[RevisionCheck], chain: Path, trusted: Sequence[Ed25519PublicKey] = ()
) -> RevisionCheck | None:
    """What the signed ends of a device's chains say against the records that are here: the last
    one is missing, or is another. None where all of it fits."""
    try:
        end = _signed_end(verdicts, chain, trusted)
        if end is not None:
            _check_end(verdicts, chain, *end)
    except Unfit as error:
        return RevisionCheck(chain.parent, error.why, error.file, "-", 0, None, None)
    return None


def _signed_end(
    verdicts: Sequence[RevisionCheck], chain: Path, trusted: Sequence[Ed25519PublicKey]
) -> tuple[str, int, str] | None:
    """(device, number, hash) of the newest violation; None where the device sealed none yet."""
    _, body = _signed_json(chain.parent, chain.name)
    beside = [_beside(v.folder) for v in verdicts if v.ok and (v.folder / SIGNER).exists()]
    keys = list(trusted) or [key for key in beside if key is not None]
    if not any(_signed_by(body, key) for key in keys):
        raise Unfit(chain.name, "the signature does not fit, or its key is not known here")
    try:
        ends = msgspec.convert(body, m.ChainHead)
    except msgspec.ValidationError as error:
        raise Unfit(chain.name, f"no ends of chains: {error}") from None
    head = ends.heads.get("violation")
    return (ends.device, head.seq, head.sha256) if head else None


def _check_end(
    verdicts: Sequence[RevisionCheck], chain: Path, device: str, seq: int, sha256: str
) -> None:
    links = [
        link
        for (source, schema), chained in _chains(verdicts).items()
        if source.endswith(f":{device}") and ":violation:" in schema
        for link in chained
    ]
    last = max((int(body["seq"]) for body, _, _ in links), default=0)
    if last < seq:
        raise Unfit(chain.name, f"records {last + 1} to {seq} of {device} are not here")
    if any(int(body["seq"]) == seq and found != sha256 for body, found, _ in links):
        raise Unfit(chain.name, f"record {seq} of {device} is not the one its chain ends with")


_Link = tuple[Mapping[str, Json], str, RevisionCheck]


def _chains(verdicts: Sequence[RevisionCheck]) -> dict[tuple[str, str], list[_Link]]:
    """Sealed records by device and kind, in order; the same record found twice counts once."""
    chains: dict[tuple[str, str], dict[str, _Link]] = {}
    for verdict in verdicts:
        if verdict.ok and verdict.envelope is not None and verdict.sha256 is not None:
            body = verdict.envelope
            name = (str(body["source"]).split("/")[0], str(body["dataschema"]))
            chains.setdefault(name, {})[verdict.sha256] = (body, verdict.sha256, verdict)
    return {
        name: sorted(links.values(), key=lambda link: int(link[0]["seq"]))
        for name, links in chains.items()
    }


def _pairs(chain: list[_Link]) -> Iterator[tuple[tuple[Mapping[str, Json], str], _Link]]:
    for (body, sha256, _), after in itertools.pairwise(chain):
        yield (body, sha256), after
