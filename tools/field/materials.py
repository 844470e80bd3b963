# SPDX-License-Identifier: AGPL-3.0-or-later
"""The bill of materials (CycloneDX 1.5 JSON) and the third-party notices, made from the lock.

Names, versions and hashes of what is locked; licences as the installed packages state them, and
from licences.yaml what they do not state. What has no licence stops the script: nothing is
shipped that we may not ship. The same lock gives the same bytes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import sys
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parents[2]
LOCK, WORDS = HERE / "requirements.lock", Path(__file__).with_name("licences.yaml")
SBOM, NOTICES = HERE / "sbom.cdx.json", HERE / "THIRD_PARTY_NOTICES.md"
EPILOG = """examples:
  tools/materials            write sbom.cdx.json and THIRD_PARTY_NOTICES.md
  tools/materials --check    end with 1 where they are not what the lock says"""
_ROW = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)==(?P<version>[^ ;]+)(?: *; *(?P<marker>.*))?$")
_VIA = re.compile(r"^    # +(?:via )?(?P<name>[A-Za-z0-9_.-]+)")
# What the box gets: the project's own dependencies and the page; `dev` stays with developers.
ROOT = "city-edge"


@dataclass(frozen=True, slots=True)
class Package:
    """One row of the lock; a package stands once for each version that some Python gets."""

    name: str
    version: str
    marker: str
    via: tuple[str, ...]
    licence: str


class Unlicensed(Exception):
    """Something is shipped whose licence nobody has stated."""


def locked(text: str, words: dict[str, Any]) -> list[Package]:
    """Raises Unlicensed, naming the package and the file to write its licence into."""
    rows: list[tuple[re.Match[str], list[str]]] = []
    for line in text.splitlines():
        row, via = _ROW.match(line), _VIA.match(line)
        if row:
            rows.append((row, []))
        elif via and rows and via["name"] != "via":
            rows[-1][1].append(via["name"])
    return [
        Package(
            row["name"],
            row["version"],
            (row["marker"] or "").strip(),
            tuple(via),
            _licence(row["name"], words),
        )
        for row, via in rows
    ]


def _licence(name: str, words: dict[str, Any]) -> str:
    try:
        told: Any = importlib.metadata.metadata(name)  # an email.message.Message
    except importlib.metadata.PackageNotFoundError:
        if name in words["absent"]:
            return str(words["absent"][name])
        raise Unlicensed(f"{name}: not installed here and not in {WORDS.name}, absent") from None
    expression = told.get("License-Expression")
    if expression:
        return str(expression)
    said = [told.get("License") or ""]
    said += [c.rpartition(" :: ")[2] for c in told.get_all("Classifier") or [] if "License" in c]
    for word in said:
        if word.strip() in words["words"]:
            return str(words["words"][word.strip()])
    raise Unlicensed(f"{name}: says {said} of its licence, which is not in {WORDS.name}, words")


def bundled(
    words: dict[str, Any], site: Path, packages: Iterable[Package]
) -> list[tuple[str, str, str]]:
    """(wheel, library, licence) of the shared libraries that the locked wheels bring. Raises
    Unlicensed."""
    found = set()
    wheels = {_plain(package.name) for package in packages}
    for folder in sorted(site.glob("*.libs")):
        if _plain(folder.name.removesuffix(".libs")) not in wheels:
            continue  # an extra that somebody put beside them
        for file in folder.iterdir():
            starts = [s for s in words["bundled"] if file.name.startswith(s)]
            if not starts:
                raise Unlicensed(f"{folder.name}/{file.name}: not in {WORDS.name}, bundled")
            who = words["bundled"][max(starts, key=len)]
            found.add((folder.name.removesuffix(".libs"), str(who["name"]), str(who["licence"])))
    return sorted(found)


def runtime_names(packages: list[Package], extras: tuple[str, ...] = ("", "console")) -> set[str]:
    """What lands on a box: reached from the project's dependencies and these extras."""
    wanted = {_plain(name) for name in _declared(extras)}
    known = {_plain(p.name) for p in packages}
    while True:
        more = {
            _plain(p.name)
            for p in packages
            if any(_plain(parent) in wanted for parent in p.via) and _plain(p.name) not in wanted
        }
        if not more:
            return wanted & known
        wanted |= more


def _declared(extras: tuple[str, ...]) -> Iterator[str]:
    text = (HERE / "pyproject.toml").read_text("utf-8")
    own = re.search(r"^dependencies = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    lists = [own[1] if own else ""]
    lists += [
        found[1]
        for extra in extras
        if extra and (found := re.search(rf"^{extra} = \[(.*?)\]$", text, re.DOTALL | re.MULTILINE))
    ]
    for part in lists:
        yield from re.findall(r'"([A-Za-z0-9_.-]+)', part)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def sbom(packages: list[Package], version: str) -> dict[str, Any]:
    """CycloneDX 1.5: components with purl, licence and scope; `optional` is not on the box."""
    here = runtime_names(packages)
    parts = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{_plain(p.name)}@{p.version}",
            "name": p.name,
            "version": p.version,
            "purl": f"pkg:pypi/{_plain(p.name)}@{p.version}",
            "licenses": [{"expression": p.licence}],
            "scope": "required" if _plain(p.name) in here else "optional",
            **({"properties": [{"name": "marker", "value": p.marker}]} if p.marker else {}),
        }
        for p in packages
    ]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(parts, sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": f"{ROOT}@{version}",
                "name": ROOT,
                "version": version,
                "licenses": [{"expression": "AGPL-3.0-or-later"}],
            }
        },
        "components": parts,
    }


def notices(packages: list[Package], libraries: list[tuple[str, str, str]]) -> str:
    """The page that people read; made, so not to be edited."""
    here = runtime_names(packages)
    head = ["| package | version | licence |", "|---|---|---|"]
    lines = [
        "# Third-party notices",
        "",
        "Made by `tools/materials` from `requirements.lock`; the same list for machines is",
        "`sbom.cdx.json`. City Edge itself is AGPL-3.0-or-later. The full texts lie in each",
        "package's `dist-info` folder below `/opt/city-edge`.",
        "",
        "## On the box",
        "",
        *head,
        *_rows(p for p in packages if _plain(p.name) in here),
        "",
        "## Inside those packages",
        "",
        "Shared libraries that the wheels for x86-64 and CPython 3.11 bring (those for aarch64",
        "were not looked into). PyAV's FFmpeg is linked with x264 and x265, which are GPL.",
        "",
        "| in | library | licence |",
        "|---|---|---|",
        *(f"| {wheel} | {name} | {licence} |" for wheel, name, licence in libraries),
        "",
        "## For development only",
        "",
        *head,
        *_rows(p for p in packages if _plain(p.name) not in here),
    ]
    return "\n".join(lines) + "\n"


def _rows(packages: Iterable[Package]) -> list[str]:
    return [f"| {p.name} | {_versions(p)} | {p.licence} |" for p in packages]


def _versions(package: Package) -> str:
    return f"{package.version} ({package.marker})" if package.marker else package.version


def made() -> dict[Path, str]:
    """The files as they should be. Raises Unlicensed."""
    words = yaml.safe_load(WORDS.read_text("utf-8"))
    packages = locked(LOCK.read_text("utf-8"), words)
    site = Path(str(importlib.metadata.distribution("numpy").locate_file("")))
    version = re.search(r'^version = "(.*)"', (HERE / "pyproject.toml").read_text("utf-8"), re.M)
    assert version is not None
    bill = json.dumps(sbom(packages, version[1]), indent=1, ensure_ascii=False) + "\n"
    return {SBOM: bill, NOTICES: notices(packages, bundled(words, site, packages))}


def main(argv: list[str] | None = None) -> int:
    """Write the lists, or with --check compare; 1 where they differ or a licence is not known."""
    parser = argparse.ArgumentParser(
        prog="tools/materials",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    args = parser.parse_args(argv)
    try:
        files = made()
    except Unlicensed as error:
        print(f"tools/materials: {error}", file=sys.stderr)
        return 1
    if args.check:
        old = [p.name for p, text in files.items() if not p.is_file() or p.read_text() != text]
        for name in old:
            print(f"{name} is not what the lock says; run tools/materials", file=sys.stderr)
        return 1 if old else 0
    for path, text in files.items():
        path.write_text(text, "utf-8")
        print(f"{path.name}: {len(text.splitlines())} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
