# SPDX-License-Identifier: AGPL-3.0-or-later
"""Fuzzing of what cameras, recordings, photographs and models are read with: the product's readers,
in a process of their own, fed with changed files.

    nice -n 19 tools/python -m tools.faultlab.fuzz_files --minutes 10     each kind; resumable
    tools/python -m tools.faultlab.fuzz_files --only mp4 --again out/fuzz-files/mp4/17.crash

An input is made of its number alone, so a run goes on where the last one ended and a finding can
be made again. Looked for: a reader that dies by a signal, takes over 10 s (without
what it waited for a core), needs more memory than a daemon may have, or raises what it does not
promise. Not guided by coverage. Findings are kept in out/fuzz-files/KIND; the last line printed is
JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edge.config import ConfigError
from edge.progress import ProgressBar
from edge.runtime import write_atomic
from edge.vision.proof import survive
from tools.faultlab import fuzz_changes, fuzz_seeds
from tools.faultlab.fuzz_changes import Change
from tools.faultlab.fuzz_readers import with_manifest

FOUND = ("crashes", "hangs", "memory", "bugs")
ROOT = Path(__file__).resolve().parents[2]
OUT = Path("out/fuzz-files")
HANG_S = 10.0
# What systemd gives edge-visiond (MemoryMax=); a reader that asks for more takes it down.
MEMORY_MOST_MB = 1600
# Beyond what is looked for, so that one input cannot take this machine.
ADDRESSES_MOST = 12 << 30
# A fresh process now and then: what one input has spoilt may not colour all that follow.
FRESH_EVERY = 400
START_S = 60.0


@dataclass(frozen=True)
class Kind:
    """Sound files to begin with, and how they are changed in their structure.

    survives: whether the product outlives a file that its reader dies of, by another process.
    """

    seeds: Callable[[], list[bytes]]
    change: Change
    suffix: str
    survives: Callable[[Path], bool] | None = None


def outlived(path: Path) -> bool:
    """Whether a daemon refuses this weight file, which kills whoever opens it."""
    with tempfile.TemporaryDirectory() as name:
        try:
            survive(with_manifest(path, Path(name)), "cpu", limit_s=HANG_S)
        except ConfigError:
            return True
    return False


KINDS: dict[str, Kind] = {
    "sdp": Kind(fuzz_seeds.rtsp, fuzz_changes.changed_rtsp, ".rtsp"),
    "mp4": Kind(fuzz_seeds.mp4, fuzz_changes.changed_mp4, ".mp4"),
    "ts": Kind(fuzz_seeds.ts, fuzz_changes.changed_ts, ".ts"),
    "jpeg": Kind(fuzz_seeds.jpeg, fuzz_changes.changed_jpeg, ".jpg"),
    "onnx": Kind(fuzz_seeds.onnx, fuzz_changes.changed_protobuf, ".onnx", outlived),
}


def made(kind: Kind, seeds: Sequence[bytes], number: int) -> bytes:
    """Input `number`: a seed, changed in structure, in bytes, or joined with another."""
    rng = random.Random(number)
    data = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = kind.change(data, rng)
    if rng.random() < 0.2:
        data = fuzz_changes.changed_bytes(data, rng)
    if rng.random() < 0.05:
        other = rng.choice(seeds)
        data = data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other)) :]
    return data


@dataclass
class Tally:
    """What a kind has come to, over all runs. outlived: the library crashed in a process apart."""

    inputs: int = 0
    spent_s: float = 0.0
    crashes: int = 0
    hangs: int = 0
    memory: int = 0
    bugs: int = 0
    outlived: int = 0
    peak_mb: int = 0
    slowest_s: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)

    @property
    def findings(self) -> int:
        return self.crashes + self.hangs + self.memory + self.bugs


@dataclass(frozen=True)
class Finding:
    """What is wrong with an input, and how it shows."""

    what: str
    text: str


class Reader:
    """The reading process of a kind; started again after a finding."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._said = (folder / "stderr").open("w+b")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tools.faultlab.fuzz_readers", kind, str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            preexec_fn=_bounded,
        )
        self.peak_mb = 0

    def take(self, name: str, limit_s: float = HANG_S) -> tuple[str, Finding | None]:
        """(what came of it, what is wrong with it) of a file in the folder."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        began, waited_s = time.monotonic(), self._waited_s()
        self._child.stdin.write(name.encode() + b"\n")
        self._child.stdin.flush()
        while not select.select([self._child.stdout], [], [], 0.02)[0]:
            if self._resident() > MEMORY_MOST_MB:
                return "", Finding("memory", f"more than {MEMORY_MOST_MB} MB")
            took_s = time.monotonic() - began
            if took_s > limit_s and took_s - (self._waited_s() - waited_s) > limit_s:
                return "", Finding("hangs", f"more than {limit_s:.0f} s")
        line = self._child.stdout.readline()
        if not line:
            return "", Finding("crashes", f"ended with {self._child.wait()}: {self._last_words()}")
        self._resident()
        row = json.loads(line)
        bug = row.get("bug")
        return row.get("came", ""), Finding("bugs", bug) if bug else None

    def _waited_s(self) -> float:
        """How long it was ready and had no core, so far (proc(5), schedstat): a busy machine is no
        hang of the reader's."""
        try:
            return int(Path(f"/proc/{self._child.pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0

    def _resident(self) -> int:
        """Its highest memory so far, MB."""
        try:
            status = Path(f"/proc/{self._child.pid}/status").read_text()
        except OSError:
            return 0
        found = re.search(r"VmHWM:\s+(\d+)", status)
        self.peak_mb = max(self.peak_mb, int(found[1]) // 1024 if found else 0)
        return self.peak_mb

    def _last_words(self) -> str:
        self._said.seek(0)
        return self._said.read()[-500:].decode("utf-8", "replace")

    def close(self) -> None:
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout, self._said):
            if stream is not None:
                stream.close()


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES_MOST, ADDRESSES_MOST))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class FileFuzzer:
    """One kind with its tally, kept in `folder`."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self._kind, self._folder = name, KINDS[name], folder
        self._seeds = self._kind.seeds()
        folder.mkdir(parents=True, exist_ok=True)
        self._kept = folder / "tally.json"
        self.tally = Tally(**json.loads(self._kept.read_text())) if self._kept.exists() else Tally()

    def spend(self, seconds: float) -> Iterator[float]:
        """Read inputs until so much time is spent, earlier runs included; yields the share."""
        while self.tally.spent_s < seconds:
            with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_memory()) as name:
                yield from self._round(Path(name), seconds)

    def _round(self, work: Path, seconds: float) -> Iterator[float]:
        """Inputs for one reading process, until it is old or has failed."""
        reader, tally = Reader(self.name, work), self.tally
        try:
            began = time.monotonic()
            for index in range(FRESH_EVERY):
                went_wrong = self._once(reader, work, START_S if index == 0 else HANG_S)
                now = time.monotonic()
                tally.spent_s, began = round(tally.spent_s + now - began, 3), now
                tally.peak_mb = max(tally.peak_mb, reader.peak_mb)
                yield min(1.0, tally.spent_s / seconds)
                if went_wrong or tally.spent_s >= seconds:
                    return
        finally:
            reader.close()
            self._keep()

    def _keep(self) -> None:
        write_atomic(self._kept, json.dumps(asdict(self.tally)).encode())

    def _once(self, reader: Reader, work: Path, limit_s: float) -> bool:
        tally = self.tally
        number, tally.inputs = tally.inputs, tally.inputs + 1
        path = work / f"i{self._kind.suffix}"
        path.write_bytes(made(self._kind, self._seeds, number))
        began = time.monotonic()
        came, finding = reader.take(path.name, limit_s)
        if limit_s == HANG_S:
            tally.slowest_s = max(tally.slowest_s, round(time.monotonic() - began, 2))
        if finding is None:
            shape = re.sub(r"[0-9]+|'[^']*'|0x\w+", "#", came)[:80]
            if shape in tally.outcomes or len(tally.outcomes) < 200:
                tally.outcomes[shape] = tally.outcomes.get(shape, 0) + 1
            return False
        what = self._judged(finding, path)
        setattr(tally, what, getattr(tally, what) + 1)
        kept = self._folder / f"{number}.{what}"
        kept.write_bytes(path.read_bytes())
        kept.with_suffix(f".{what}.txt").write_text(finding.text)
        print(f"{kept}: {finding.text[-1500:]}", file=sys.stderr, flush=True)
        return finding.what != "bugs"

    def _judged(self, finding: Finding, path: Path) -> str:
        survives = self._kind.survives
        dead = finding.what in ("crashes", "hangs")
        return "outlived" if dead and survives and survives(path) else finding.what

    def recheck(self) -> None:
        """Findings of earlier runs, read again by the program as it is now, and counted anew."""
        tally = self.tally
        tally.crashes = tally.hangs = tally.memory = tally.bugs = tally.outlived = 0
        kept = [p for p in self._folder.iterdir() if p.suffix[1:] in (*FOUND, "outlived")]
        for path in kept:
            finding = read_again(self.name, path)[1]
            what = "mended" if finding is None else self._judged(finding, path)
            path.rename(path.with_suffix(f".{what}"))
            if finding is not None:
                setattr(tally, what, getattr(tally, what) + 1)
        self._keep()


def read_again(kind: str, path: Path) -> tuple[str, Finding | None]:
    """What comes of one kept input, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_memory()) as name:
        work = Path(name)
        (work / f"i{KINDS[kind].suffix}").write_bytes(path.read_bytes())
        reader = Reader(kind, work)
        try:
            return reader.take(f"i{KINDS[kind].suffix}", START_S)
        finally:
            reader.close()


def again(kind: str, path: Path) -> int:
    """Prints what comes of a kept input; 1 where it is still wrong."""
    came, finding = read_again(kind, path)
    print(came if finding is None else f"{finding.what}: {finding.text}")
    return 0 if finding is None else 1


def summary(tallies: dict[str, Tally]) -> dict[str, dict[str, float]]:
    """For the stored figure: of each kind its numbers, and how many different outcomes."""
    return {
        name: {**asdict(tally), "outcomes": len(tally.outcomes), "findings": tally.findings}
        for name, tally in tallies.items()
    }


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  folders of its own


def main(argv: Sequence[str] | None = None) -> int:
    """1 where anything was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of each kind, all runs")
    parser.add_argument("--only", choices=KINDS, action="append")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--again", type=Path, help="read this input once more, with --only KIND")
    args = parser.parse_args(argv)
    names = args.only or list(KINDS)
    if args.again is not None:
        if not args.again.is_file() or len(names) != 1:
            print(f"--again {args.again}: give one file and one --only KIND", file=sys.stderr)
            return 2
        return again(names[0], args.again)
    tallies = {}
    for name in names:
        fuzzer, bar = FileFuzzer(name, args.out / name), ProgressBar(f"fuzz {name}")
        fuzzer.recheck()
        for share in fuzzer.spend(args.minutes * 60.0):
            bar.update(share)
        bar.close()
        tallies[name] = fuzzer.tally
    text = json.dumps(summary(tallies))
    write_atomic(args.out / "summary.json", text.encode())
    print(text)
    return 1 if any(tally.findings for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
