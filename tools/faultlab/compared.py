# SPDX-License-Identifier: AGPL-3.0-or-later
"""What this tree makes of the project's own clips, beside what an older commit made of them.

Both watch the same clip with the same site, model and clock (`edge watch`); then the events on
standard output and every sealed manifest are compared field by field, hashes of pictures and clips
included. A difference that is meant stands in INTENDED with its reason; any other is exit code 1.

tools/compared v1.2 --clip street
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.release.store import DEFAULT_MODEL

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ROOT / "tests" / "clips"
START = "2026-05-01T08:00:00Z"
# Field -> why it differs from the commits before.
INTENDED: dict[str, str] = {
    "manifest.violation.config_sha256": "covers every key with its default, so a new key changes it"
}
_NUMBER = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Made:
    """What one tree made of one clip: events in their order, manifests by case and revision, the
    cases numbered in the order of their beginning (an id is a hash, and may differ)."""

    events: list[dict[str, Any]]
    manifests: dict[str, dict[str, Any]]


def make(tree: Path, clip: str, out: Path) -> Made:
    """Watch a clip with the code of `tree`. Raises CalledProcessError."""
    folder = CLIPS / clip
    (video,) = folder.glob("*.mp4")
    argv = [sys.executable, "-m", "edge", "watch", str(video), "--site", str(folder / "site.yaml")]
    argv += ["--model", str(ROOT / "models" / f"{DEFAULT_MODEL}.yaml"), "--start", START]
    argv += ["--out", str(out), "--json"]
    env = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(argv, cwd=tree, env=env, stdout=subprocess.PIPE, check=True)
    lines = done.stdout.decode().replace(f"{out}/", "").splitlines()
    return Made([json.loads(line) for line in lines], read_manifests(out))


def read_manifests(out: Path) -> dict[str, dict[str, Any]]:
    """Every sealed manifest below `out` as `<category> <number of the case>/r<revision>`."""
    found = {path: json.loads(path.read_bytes()) for path in out.rglob("r*/manifest.json")}
    cases: dict[Path, tuple[str, str]] = {}
    for path, manifest in found.items():
        told = manifest["violation"]
        cases[path.parent.parent] = (told["category"], told["began"]["utc"])
    order = sorted(cases, key=lambda case: cases[case])
    names, counts = {}, Counter[str]()
    for case in order:
        category = cases[case][0]
        counts[category] += 1
        names[case] = f"{category} {counts[category]}"
    return {f"{names[p.parent.parent]}/{p.parent.name}": m for p, m in sorted(found.items())}


def fields(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of every leaf; `files[2].sha256`."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from fields(part, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list):
        for n, part in enumerate(value):
            yield from fields(part, f"{at}[{n}]")
    else:
        yield at, value


def differences(before: Made, after: Made) -> Counter[tuple[str, str, str]]:
    """(field without its numbers, before, after) with how often; what one side lacks is `-`. A
    folder or an event that one side lacks is one difference, named."""
    found: Counter[tuple[str, str, str]] = Counter()
    old, new = _parts(before), _parts(after)
    for name in sorted(old.keys() ^ new.keys()):
        found[(name, "there", "-") if name in old else (name, "-", "there")] += 1
    for name in sorted(old.keys() & new.keys()):
        was, now = dict(fields(old[name])), dict(fields(new[name]))
        for path in sorted(was.keys() | now.keys()):
            before_text, after_text = _shown(was, path), _shown(now, path)
            if before_text != after_text:
                field = f"{name.split()[0]}.{_NUMBER.sub('', path)}"
                found[field, before_text, after_text] += 1
    return found


def _parts(made: Made) -> dict[str, dict[str, Any]]:
    """Manifests and events by a name that both sides give them."""
    counts = Counter[str]()
    parts = {f"manifest {name}": manifest for name, manifest in made.manifests.items()}
    for event in made.events:
        counts[str(event.get("category"))] += 1
        parts[f"event {event.get('category')} {counts[str(event.get('category'))]}"] = event
    return parts


def _shown(side: Mapping[str, Any], path: str) -> str:
    return json.dumps(side[path], ensure_ascii=False) if path in side else "-"


def compare(ref: str, clips: Sequence[str]) -> Counter[tuple[str, str, str]]:
    """All differences of these clips. Raises CalledProcessError for a commit that is none."""
    found: Counter[tuple[str, str, str]] = Counter()
    git = ["git", "-C", str(ROOT)]
    with tempfile.TemporaryDirectory(prefix="compared-") as folder:
        tree = Path(folder, "tree")
        subprocess.run([*git, "worktree", "add", "--quiet", "--detach", tree, ref], check=True)
        try:
            for clip in clips:
                before = make(tree, clip, Path(folder, "before", clip))
                after = make(ROOT, clip, Path(folder, "after", clip))
                print(f"{clip}: {len(before.events)} events, {len(after.events)} now; "
                      f"{len(before.manifests)} sealed folders, {len(after.manifests)} now",
                      file=sys.stderr)  # fmt: skip
                found += differences(before, after)
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", tree], check=True)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print each differing field; 1 where one is not meant, 2 for a commit or clip that is none."""
    parser = argparse.ArgumentParser(
        prog="tools/compared",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = sorted(path.parent.name for path in CLIPS.glob("*/site.yaml"))
    parser.add_argument("ref", help="the older commit or tag")
    parser.add_argument("--clip", action="append", choices=known, help="one clip (default: street)")
    args = parser.parse_args(argv)
    try:
        found = compare(args.ref, args.clip or ["street"])
    except subprocess.CalledProcessError as error:
        print(f"{args.ref}: {error}", file=sys.stderr)
        return 2
    for (field, was, now), times in sorted(found.items()):
        why = f"  (meant: {INTENDED[field]})" if field in INTENDED else ""
        print(f"{times:4} {field}: {was} -> {now}{why}")
    unmeant = sum(times for (field, _, _), times in found.items() if field not in INTENDED)
    print(f"{sum(found.values())} fields differ, {unmeant} of them without a stated reason")
    return 1 if unmeant else 0


if __name__ == "__main__":
    sys.exit(main())
