# SPDX-License-Identifier: AGPL-3.0-or-later
"""The contract as files: JSON Schemas, an AsyncAPI document, golden messages. Made from the code.

tools/contract            write contract/ anew
tools/contract --check    say which files differ from the code, and exit 1
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from city_platform.golden import BOX, DESK, golden
from city_platform.schemas import asyncapi, channels, schema
from edge.uplink import seal

FOLDER = Path(__file__).parents[3] / "contract"


def files() -> dict[str, bytes]:
    """Path below contract/ -> bytes."""
    made = {"asyncapi.yaml": _yaml(asyncapi())}
    for channel in channels():
        if channel.body is not None:
            made[f"schemas/{channel.name}.json"] = _json(schema(channel))
    told = golden()
    made |= {f"golden/{one.file}": one.payload for one in told}
    made["golden/index.json"] = _json([one.entry() for one in told])
    made["golden/device.pub.pem"] = seal.public_pem(BOX.public)
    made["golden/platform.pub.pem"] = seal.public_pem(DESK.public)
    return made


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _yaml(data: Any) -> bytes:
    note = "# Made by tools/contract; a test fails where it differs from the code.\n"
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=96)
    return (note + text).encode()


def drift(folder: Path) -> list[str]:
    """What differs, one line each."""
    made = files()
    there = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return [
        *(f"{name}: missing" for name in sorted(made.keys() - there.keys())),
        *(f"{name}: not made by the code" for name in sorted(there.keys() - made.keys())),
        *(f"{n}: differs" for n in sorted(made.keys() & there.keys()) if made[n] != there[n]),
    ]


def write(folder: Path) -> int:
    """Replace the whole folder; returns how many files it holds."""
    if folder.exists():
        shutil.rmtree(folder)
    made = files()
    for name, data in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return len(made)


def main() -> int:
    """Write the contract files, or with --check compare: 1 with the files that differ."""
    parser = argparse.ArgumentParser(prog="tools/contract", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args()
    if not args.check:
        print(f"contract: {write(FOLDER)} files written")
        return 0
    found = drift(FOLDER)
    for line in found:
        print(f"contract/{line}", file=sys.stderr)
    if found:
        print("contract: run tools/contract and commit what it wrote", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
