# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge evidence: does it still fit together and who sealed it; a case as a file for the archive."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from edge.uplink.verify import RevisionCheck

EPILOG = """examples:
  edge evidence verify out/watch --unsealed                       (hashes alone: nobody signed it)
  edge evidence verify --all --device /etc/edge/device.yaml --json
  edge evidence verify received/evidence --key box-1.pub.pem     (only these keys are believed)
  edge evidence verify usb/evidence --key box-1.pub.pem --chain usb/chain.json
  edge evidence casefile /var/lib/edge/evidence/v-1f3c… --out case.zip   (the file of one case)
exit 0: all of it fits; 1: something does not, and its first file is named. A record that nobody
sealed fails anywhere but on its box (--all --device). Beside evidence of a platform lies
chain.json, the device's signed ends: the last record must be here."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Folders by name, or all of the box that `--device` describes."""
    parser.add_argument("what", choices=["verify", "casefile"])
    parser.add_argument("folder", nargs="*", type=Path, help="a revision, a violation, or a tree")
    parser.add_argument("--all", action="store_true", help="all evidence of this box")
    parser.add_argument("--device", help="device.yaml: where this box keeps its evidence and keys")
    parser.add_argument("--key", nargs="+", type=Path, default=[], help="trusted public keys (PEM)")
    ends = "signed ends of a device's chains: its last record must be here"
    parser.add_argument("--chain", nargs="+", type=Path, default=[], help=ends)
    parser.add_argument(
        "--unsealed", action="store_true", help="hashes alone; no seal is asked for"
    )
    parser.add_argument("--json", action="store_true", help="one line for each revision")
    parser.add_argument("--out", type=Path, help="casefile: the zip to write")
    parser.add_argument("--state", type=Path, help="casefile: state folder, for what was decided")
    parser.add_argument("--site", help="casefile: site.yaml, for its name, zone and law")


def run(args: argparse.Namespace) -> int:
    """0 where every file, hash, signature and chain holds; 1 naming the first broken file."""
    if args.what == "casefile":
        return _casefile(args)
    return _verify(args)


def _verify(args: argparse.Namespace) -> int:
    from edge.progress import ProgressBar
    from edge.uplink.verify import check_chains, folders, verify_folder

    roots, trusted = _roots(args), _trusted(args)
    found = [folder for root in roots for folder in folders(root)]
    if not found:
        _nothing(args, roots)
        return 0
    unsealed = args.unsealed or (args.all and not args.folder and not args.key)
    bar = ProgressBar("verify")
    verdicts = []
    for number, folder in enumerate(found):
        verdicts.append(verify_folder(folder, trusted, unsealed=unsealed))
        bar.update((number + 1) / len(found), folder.parent.name)
    bar.close()
    broken, missing = check_chains(verdicts)
    verdicts += _around(roots, found, unsealed)
    verdicts += _ends(args, roots, verdicts, trusted)
    return _report(args, verdicts, broken, missing)


def _casefile(args: argparse.Namespace) -> int:
    """The zip that the page makes of a case; 1: its evidence does not fit. Raises ConfigError."""
    from edge.config import ConfigError, Site, load
    from edge.config.catalogue import category_files, load_categories
    from edge.console.casefile import CaseFile, write_zip
    from edge.console.reading import BoxFolders
    from edge.console.stages import CaseStages
    from edge.daemons.console_services import examine_case

    if len(args.folder) != 1 or args.out is None:
        raise ConfigError("casefile: give the folder of one violation, and --out")
    folder = args.folder[0].resolve()
    if not folder.is_dir():
        raise ConfigError(f"{args.folder[0]}: no such folder")
    state = args.state or folder.parent.parent
    site = load(Path(args.site), Site) if args.site else Site()
    base = Path(args.site).resolve().parent if args.site else Path("/nonexistent")
    found = BoxFolders(folder.parent.parent, folder).case_in(folder)
    if found is None:
        raise ConfigError(f"{args.folder[0]}: holds no violation (v-…/r1/manifest.json)")
    stages = CaseStages(state)
    stages.refresh()
    category = load_categories(category_files(base)).get(str(found.data.get("category")))
    checks = examine_case(folder)
    case = CaseFile(
        id=found.id, violation=found.data, files=found.files,
        life=stages.whole(found.id, found.data), checks=checks,
        law=category.law if category else (), timezone=site.timezone,
        site=site.name if args.site else "",
    )  # fmt: skip
    try:
        with args.out.open("wb") as out:
            write_zip(case, folder, out)
    except OSError as error:
        raise ConfigError(f"--out {args.out}: {error.strerror or error}") from None
    print(args.out)
    return 1 if any(row["problem"] for row in checks) else 0


def _around(roots: list[Path], found: list[Path], unsealed: bool) -> list[RevisionCheck]:
    """What lies beside the revisions of a violation and is none; nobody asks of a single revision
    what lies beside it."""
    from edge.uplink.verify import verify_case

    cases = sorted({f.parent for f in found if any(f.parent.is_relative_to(r) for r in roots)})
    return [v for case in cases if (v := verify_case(case, unsealed=unsealed)) is not None]


def _ends(
    args: argparse.Namespace,
    roots: list[Path],
    verdicts: list[RevisionCheck],
    trusted: list[Ed25519PublicKey],
) -> list[RevisionCheck]:
    """Ends of chains that were given, of all that is here; those that lie in the tree, of what lies
    below them. On the box released evidence is deleted, so its own are not asked."""
    from edge.uplink.chain_heads import CHAIN
    from edge.uplink.verify import check_ends

    ends = [check_ends(verdicts, path, trusted) for path in args.chain]
    for path in sorted(path for root in roots for path in root.rglob(CHAIN)):
        below = [v for v in verdicts if v.folder.is_relative_to(path.parent)]
        ends.append(check_ends(below, path, trusted))
    return [verdict for verdict in ends if verdict is not None]


def _roots(args: argparse.Namespace) -> list[Path]:
    from edge.config import ConfigError
    from edge.config.paths import read_box

    for folder in args.folder:
        if not folder.is_dir():
            raise ConfigError(f"{folder}: no such folder")
    if args.folder:
        return list(args.folder)
    if not args.all:
        raise ConfigError("nothing to verify: give a folder, or --all")
    return [read_box(args.device).evidence]


def _trusted(args: argparse.Namespace) -> list[Ed25519PublicKey]:
    """Keys given, or else this box's own where its device file is given."""
    from edge.config import ConfigError
    from edge.config.paths import read_box
    from edge.uplink import seal

    keys = []
    for path in args.key:
        try:
            keys += seal.read_public(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigError(f"--key {path}: {error}") from None
    if keys or not (args.all and args.device):
        return keys
    for path in sorted(read_box(args.device).keys.glob("*.pem")):
        keys.append(seal.read_private(path.read_bytes()).public_key())
    return keys


def _nothing(args: argparse.Namespace, roots: list[Path]) -> None:
    from edge.config import ConfigError

    if args.folder:
        raise ConfigError(f"{roots[0]}: holds no evidence (no manifest.json anywhere below)")
    print("no evidence here yet", file=sys.stderr)


def _report(
    args: argparse.Namespace,
    verdicts: list[RevisionCheck],
    broken: list[RevisionCheck],
    missing: int,
) -> int:
    bad = [v for v in verdicts if not v.ok]
    for verdict in verdicts:
        line = _line(verdict, chain=verdict not in broken)
        if args.json:
            print(json.dumps(line, ensure_ascii=False))
        elif not line["ok"]:
            print(f"{verdict.folder}: {line['file']}: {line['problem']}")
    signed = sorted({v.signed for v in verdicts if v.ok})
    print(
        f"{len(verdicts) - len(bad) - len(broken)} of {len(verdicts)} revision(s) fit"
        f" ({', '.join(signed) or '-'}); {missing} number(s) of their chains are not here",
        file=sys.stderr,
    )
    if "self" in signed:
        print("signed by the key beside each; give --key to know whose", file=sys.stderr)
    return 1 if bad or broken else 0


def _line(verdict: RevisionCheck, *, chain: bool) -> dict[str, Any]:
    problem = verdict.problem if chain else "prev is not the hash of the record before it"
    return {
        "folder": str(verdict.folder),
        "ok": verdict.ok and chain,
        "file": verdict.file if chain else "envelope.json",
        "problem": problem,
        "signed": verdict.signed,
        "files": verdict.files,
        "record": verdict.envelope["id"] if verdict.envelope else None,
        "sha256": verdict.sha256,
        "kid": verdict.kid,
    }
