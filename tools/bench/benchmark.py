# SPDX-License-Identifier: AGPL-3.0-or-later
"""Speed of the vision part against the bare inference and against peers, as ratios of CPU time.

All contestants run in processes of their own, in turns, in one run; a ratio is the median of the
ratios of paired rounds, so that a busy machine slows both sides. What is not installed is left out
and said. See docs/performance.md for the environments and for what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from edge.config import ConfigError
from edge.vision.manifest import Manifest, read_manifest
from tools.bench import stages, streams
from tools.bench.arena import ROOT, Arena, Contestant, progress_line
from tools.bench.chart import draw
from tools.bench.limits import judge

MIN_SCORE = 0.1
# Load for each core below which wall time means something, and share of looks a held stream misses.
QUIET, MISSED = 0.3, 0.01
EXAMPLE = """examples:
  tools/benchmark --quick
  tools/benchmark --model out/models/yolo11n.yaml --peer out/models/yolo11n-640.yaml \\
                  --clip ../shared/data/video/rf_walking_tracked.mp4 --streams 1,2,4,8"""


def main() -> int:
    """Writes benchmark.json and a picture; 1 where a limit is not met, 2 for a wrong model."""
    args = _arguments()
    try:
        report = _measure(args)
    except ConfigError as error:
        print(f"tools/benchmark: {error}", file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "benchmark.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    verdicts = judge(report["figures"])
    draw(
        "City Edge: measured against limits (bars: share of the limit)",
        verdicts,
        args.out / "benchmark.png",
    )
    _print(report)
    print(f"\n{args.out / 'benchmark.json'}  {args.out / 'benchmark.png'}")
    return 0 if all(one.met for one in verdicts) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/benchmark",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, default=ROOT / "models/city-v1.yaml")
    parser.add_argument("--peer", type=Path, help="manifest of fixed 640 x 640 ONNX for peers")
    parser.add_argument("--clip", type=Path, help="a video; without one a made one")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=40, help="pictures in a round")
    parser.add_argument("--streams", default="", help="such as 1,2,4,8: the real daemon, 1080p30")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run of --streams")
    parser.add_argument("--quick", action="store_true", help="under a minute, rough")
    parser.add_argument("--out", type=Path, default=ROOT / "out/benchmark")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.frames = 3, 12
    return args


def _measure(args: argparse.Namespace) -> dict[str, Any]:
    quiet = os.getloadavg()[0] < QUIET * len(os.sched_getaffinity(0))
    if not quiet:
        print("this machine is busy: what needs wall time is not judged", file=sys.stderr)
    manifest = read_manifest(args.model)
    peer = read_manifest(args.peer) if args.peer else None
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        clip = args.clip or _made_clip(Path(folder))
        arena = Arena(_contestants(args, manifest, peer, clip))
        with arena:
            arena.run(args.rounds, args.frames, progress_line)
        parts = stages.stages(args.model, str(clip), rounds=args.rounds, frames=args.frames)
        tracking = _tracking(args.quick)
        figures = {**_figures(arena, args, parts), **_tracking_figures(tracking)}
        if quiet:
            seconds = 1 if args.quick else 4
            figures["workers 2 / 1"] = stages.workers_gain(args.model, seconds=seconds)
        held = _held(args, clip, Path(folder), figures, quiet=quiet)
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg(),
        "rounds": args.rounds,
        "frames": args.frames,
        "contestants": [_told(one) for one in arena.contestants.values()],
        "stages_cpu_ms": parts,
        "tracking": tracking,
        "streams": held,
        "figures": figures,
        "verdicts": [
            {"what": one.what, "limit": one.limit, "value": one.value, "met": one.met}
            for one in judge(figures)
        ],
    }


def _contestants(
    args: argparse.Namespace, manifest: Manifest, peer: Manifest | None, clip: Path
) -> list[Contestant]:
    """Ours at the shipped input, its variants, ours on the peers' file, and the peers."""
    shape = [manifest.input.height, manifest.input.width]
    common = {"clip": str(clip.resolve()), "min_score": MIN_SCORE}
    default = {**common, "manifest": str(args.model.resolve()), "shape": shape}
    listed = [
        Contestant("bare", "", {**default, "loop": "bare"}),
        Contestant("ours pictures", "", {**default, "loop": "ours-pictures"}),
        Contestant("ours", "", {**default, "loop": "ours"}),
    ]
    for name, variant in manifest.variants.items():
        if variant.file.endswith(".onnx"):
            settings = {**default, "variant": name, "loop": "ours"}
            listed.append(Contestant(f"ours {name}", "", settings))
    if args.peer is None or peer is None:
        return listed
    size = [peer.input.height, peer.input.width]
    same = {**common, "manifest": str(args.peer.resolve()), "shape": size}
    theirs = {**same, "weights": str((args.peer.parent / peer.file).resolve())}
    return [
        *listed,
        Contestant("bare same", "", {**same, "loop": "bare"}),
        Contestant("ours same", "", {**same, "loop": "ours"}),
        Contestant("ultralytics predict", "train", {**theirs, "loop": "ultralytics-predict"}),
        Contestant("ultralytics track", "train", {**theirs, "loop": "ultralytics-track"}),
        Contestant("ultralytics botsort", "train", {**theirs, "loop": "ultralytics-botsort"}),
        Contestant("supervision", "bench", {**theirs, "loop": "supervision"}),
    ]


# figure -> (numerator, denominator): contestants whose CPU time is compared.
RATIOS = {
    "pictures / bare": ("ours pictures", "bare"),
    "ours / bare": ("ours", "bare"),
    "ours / ultralytics track": ("ours", "ultralytics track"),
    "int8 / ultralytics track": ("ours int8", "ultralytics track"),
    "same / bare": ("ours same", "bare same"),
    "same / ultralytics predict": ("ours same", "ultralytics predict"),
    "same / ultralytics track": ("ours same", "ultralytics track"),
    "same / ultralytics botsort": ("ours same", "ultralytics botsort"),
    "same / supervision": ("ours same", "supervision"),
}


def _figures(arena: Arena, args: argparse.Namespace, parts: dict[str, float]) -> dict[str, float]:
    figures = {key: arena.ratio(*pair) for key, pair in RATIOS.items()}
    figures["peak / ultralytics track"] = arena.ratio("ours", "ultralytics track", "peak_mb")
    figures["peak mb"] = arena.contestants["ours"].rounds[-1]["peak_mb"]
    square = arena.contestants.get("bare same")
    if square is not None and square.rounds:
        figures["gate / 640"] = parts["motion gate"] / square.median("cpu_ms")
    return {key: value for key, value in figures.items() if value is not None}


def _tracking(quick: bool) -> dict[str, Any] | None:
    """The trackers' comparison runs where the package `trackers` is installed."""
    python = ROOT / ".venv-bench/bin/python"
    if not python.exists():
        print("no .venv-bench: trackers are not compared (tools/setup bench)", file=sys.stderr)
        return None
    words = [str(python), "-m", "tools.bench.tracking", "--json", *(["--quick"] if quick else [])]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"trackers are not compared: {done.stderr.strip()[-200:]}", file=sys.stderr)
        return None
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _tracking_figures(tracking: dict[str, Any] | None) -> dict[str, float]:
    if tracking is None:
        return {}
    gain = [
        rows["ours"]["idf1"] - rows["trackers-bytetrack"]["idf1"]
        for rows in tracking["identity"].values()
    ]
    return {
        "tracker / trackers 27": tracking["cost_ratio"]["27"]["ours"],
        "tracker / trackers 81": tracking["cost_ratio"]["81"]["ours"],
        "idf1 - trackers": statistics.mean(gain),
    }


def _held(
    args: argparse.Namespace, clip: Path, folder: Path, figures: dict[str, float], *, quiet: bool
) -> list[dict[str, Any]]:
    """Runs of the real daemon; adds memory and the share of the arithmetic limit to `figures`."""
    if not args.streams:
        return []
    camera = streams.full_hd(clip, folder)
    runs = []
    for gate in (False, True):
        for count in (int(word) for word in args.streams.split(",")):
            run = streams.hold(count, args.model, camera, fps=5.0, seconds=args.seconds, gate=gate)
            runs.append(run)
            print(_run_line(run), file=sys.stderr)
    ungated = {run.streams: run for run in runs if not run.gate}
    figures.update(_memory(ungated))
    if quiet:
        parts = stages.stages(args.model, str(camera), rounds=3, frames=20)
        figures["streams / arithmetic"] = _most_held(ungated) / _arithmetic(parts)
    return [
        {name: getattr(run, name) for name in streams.Held.__slots__} | {"missed": run.missed}
        for run in runs
    ]


def _most_held(runs: dict[int, streams.Held]) -> int:
    return max((run.streams for run in runs.values() if run.missed < MISSED), default=0)


def _arithmetic(parts: dict[str, float]) -> float:
    """Streams that these parts allow: 30 pictures a second decoded, 5 analysed, all cores, and a
    quarter more than the sum because both cores share their caches."""
    decode_ms = parts["decode to BGR"]
    look_ms = sum(parts.values()) - decode_ms
    cores_ms = 1000.0 * len(os.sched_getaffinity(0))
    return cores_ms / (1.25 * (30 * decode_ms + 5 * look_ms))


def _memory(runs: dict[int, streams.Held]) -> dict[str, float]:
    figures = {}
    if 1 in runs:
        figures["visiond mb 1"] = runs[1].peak_mb
        most = max(runs)
        if most > 1:
            figures["visiond mb a further"] = (runs[most].peak_mb - runs[1].peak_mb) / (most - 1)
    if 8 in runs:
        figures["visiond mb 8"] = runs[8].peak_mb
    return figures


def _run_line(run: streams.Held) -> str:
    return (
        f"{run.streams} stream(s), gate {'on' if run.gate else 'off'}: {run.given_per_s:.1f} of "
        f"{run.wanted_per_s:.0f} looks/s, {run.cores:.2f} cores, {run.peak_mb:.0f} MB"
    )


def _made_clip(folder: Path) -> Path:
    """A street of moving blocks, for machines without a recording: speed needs no meaning."""
    import cv2
    import numpy as np

    from tools.bench.crowds import Crowd, play

    pictures = folder / "street"
    pictures.mkdir()
    ground = np.random.default_rng(0).integers(60, 120, (720, 1280, 3), np.uint8)
    for index, instant in enumerate(play(Crowd(fps=25, seconds=4), 3)):
        image = cv2.GaussianBlur(ground, (9, 9), 0)
        for identity, box in zip(instant.ids, instant.truth, strict=True):
            x1, y1, x2, y2 = (box * [1280, 720, 1280, 720]).astype(int).tolist()
            colour = (37 * int(identity) % 255, 91 * int(identity) % 255, 180)
            cv2.rectangle(image, (x1, y1), (x2, y2), colour, -1)
        cv2.imwrite(str(pictures / f"{index:04d}.jpg"), image)
    return _as_video(pictures, folder / "street.mp4")


def _as_video(pictures: Path, path: Path) -> Path:
    import av
    import cv2

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for index, file in enumerate(sorted(pictures.glob("*.jpg"))):
            frame = av.VideoFrame.from_ndarray(cv2.imread(str(file)), format="bgr24")
            frame.pts = index
            out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    return path


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return "unknown"


def _told(one: Contestant) -> dict[str, Any]:
    if one.error is not None or not one.rounds:
        return {"name": one.name, "error": one.error or "not run"}
    return {
        "name": one.name,
        "cpu_ms": one.median("cpu_ms"),
        "wall_ms": one.median("wall_ms"),
        "boxes": one.median("boxes"),
        "peak_mb": one.rounds[-1]["peak_mb"],
        "rounds_cpu_ms": [row["cpu_ms"] for row in one.rounds],
    }


def _print(report: dict[str, Any]) -> None:
    print(f"{report['cpu']}, {report['cores']} cores, load {report['load'][0]:.1f}")
    for row in report["contestants"]:
        if "error" in row:
            print(f"  {row['name']:22} left out: {row['error']}")
        else:
            print(
                f"  {row['name']:22} {row['cpu_ms']:7.1f} ms CPU  {row['boxes']:5.1f} boxes  "
                f"{row['peak_mb']:5.0f} MB"
            )
    for name, cost_ms in report["stages_cpu_ms"].items():
        print(f"  {name:22} {cost_ms:7.2f} ms CPU")
    print(f"\n  {'':70} {'measured':>9}  {'limit':>8}")
    for row in report["verdicts"]:
        word = "pass" if row["met"] else "FAIL"
        print(f"  {row['what']:70} {row['value']:9.3f}  {row['limit']:>8}  {word}")


if __name__ == "__main__":
    sys.exit(main())
