# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is measured, by which command, and how its output becomes figures. One row each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge.pipeline.settings import DEFAULT_MODEL

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "tools/python"
UNITS = tuple(str(p.relative_to(ROOT)) for p in sorted((ROOT / "systemd").glob("edge-*.service")))


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `noise`: by so much it may be worse before anybody is warned; `asked`:
    what the product promises, which a new measurement does not move as it moves what was stored."""

    name: str
    value: float
    unit: str = ""
    better: Literal["more", "less"] = "more"
    noise: float = 0.0
    asked: float | None = None

    @property
    def met(self) -> bool:
        """Whether the promise is kept; true where nothing was promised."""
        if self.asked is None:
            return True
        return self.value >= self.asked if self.better == "more" else self.value <= self.asked

    def worse_than(self, before: Figure) -> bool:
        """Whether this is worse than `before` by more than the noise stored with it."""
        gain = self.value - before.value if self.better == "more" else before.value - self.value
        return gain < -before.noise - 1e-9


@dataclass(frozen=True, slots=True)
class Measure:
    """A command and how its standard output is read. `cheap`: seconds, fit for every CI run.

    output: a file the command writes, read instead of its standard output.
    """

    title: str
    zh: str
    argv: tuple[str, ...]
    read: Callable[[str], list[Figure]]
    cheap: bool = False
    about: str = ""
    output: str | None = None


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _replay(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    figures = [
        Figure("recorded cases", told["cases"]),
        Figure("cases that differ from their golden events", told["wrong"], better="less", asked=0),
    ]
    return figures + [
        Figure(f"event F1, {name}", told[name]["f1"], noise=0.0)
        for name in told
        if isinstance(told[name], dict)
    ]


def _clips(text: str) -> list[Figure]:
    *rows, last = _lines(text)
    figures = [Figure(f"event F1, {row['clip']}", row["all"]["f1"], noise=0.1) for row in rows]
    told = last["all clips"]
    return [
        *figures,
        Figure("event F1, all clips", told["f1"], noise=0.05, asked=0.9),
        Figure("events found", told["tp"]),
        Figure("events missed", told["fn"], better="less"),
        Figure("false violations", told["fp"], better="less"),
        Figure("watched", told["hours"], "h"),
    ]


def _realclips(text: str) -> list[Figure]:
    told = _lines(text)[-1]["all clips"]
    return [
        Figure("clips and folders of stills", told["clips"]),
        Figure("judged, over all widths", told["minutes"], "min", noise=1.0),
        Figure("false cases, shipped dwell", told["shipped dwell"], better="less", asked=0),
        Figure("false cases, dwell of 3 s", told["short dwell"], better="less", asked=0),
        Figure(
            "tippers found at 0.35",
            told["tippers found"],
            f"of {told['tippers']}",
            asked=0.8 * told["tippers"],
        ),
    ]


def _flights(text: str) -> list[Figure]:
    *rows, last = _lines(text)
    told = last["all flights"]
    figures = [
        Figure(
            f"right findings, {row['flight']}", row["tp"], f"of {row['tp'] + row['fp']}", noise=1
        )
        for row in rows
    ]
    figures += [
        Figure(f"missed, {row['flight']}", row["fn"], f"of {row['tp'] + row['fn']}", "less", 1)
        for row in rows
    ]
    return [
        *figures,
        Figure("precision, all flights", told["precision"], noise=0.1),
        Figure("recall, all flights", told["recall"], noise=0.15),
        Figure(
            "place error of the right ones, median", told["place_error_m_median"], "m", "less", 1
        ),
        Figure("place error of the right ones, worst", told["place_error_m_worst"], "m", "less", 2),
    ]


# Classes whose real pictures are of one source; the others have a floor a source (the card).
ASKED_AP50 = {"smoke": 0.5, "fire": 0.35, "dust": 0.45}


def _accuracy(text: str) -> list[Figure]:
    rows = [row for row in _lines(text) if row.get("origin") != "scenes"]
    whole = {r["name"] for r in rows if r["source"] == "all"}
    return [
        Figure(
            f"AP50 {row['name']} ({row['truths']} boxes on {row['pictures']} pictures)",
            round(row["ap50"], 3),
            noise=0.03,
            asked=ASKED_AP50.get(row["name"]),
        )
        for row in rows
        if row["source"] == "all" or row["name"] not in whole
    ]


def _shape(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    less = {
        "median": ("lines of a function, median", 0.0),
        "p90": ("lines of a function, 90th percentile", 1.0),
        "long": ("functions over 60 lines", 0.0),
        "longest_file": ("lines of the longest file", 20.0),
        "without_docstring": ("public functions over 5 lines without a docstring", 5.0),
        "broad_excepts": ("broad excepts", 0.0),
    }
    counted = Figure("functions", told["functions"], noise=1e9)
    return [
        counted,
        *(Figure(name, told[key], "", "less", noise) for key, (name, noise) in less.items()),
    ]


def _exposure(text: str) -> list[Figure]:
    found = re.findall(r"exposure level for (\S+?)\.service: ([\d.]+)", text)
    return [Figure(f"{unit}", float(score), "of 10", "less", 0.1) for unit, score in found]


def _faults(text: str) -> list[Figure]:
    figures = []
    for row in _lines(text):
        lost = row["missing"] + row["spurious"] + row["false_releases"]
        test = row["test"]
        figures.append(
            Figure(
                f"{test}: lost, invented or freed too early",
                lost,
                f"of {row['obligations']}",
                "less",
                asked=0,
            )
        )
        figures.append(
            Figure(f"{test}: worst recovery", row["worst_recovery_s"], "s", "less", 30.0)
        )
    return figures


def _uplink(text: str) -> list[Figure]:
    told = {row["figure"]: row for row in _lines(text)}
    return list(_uplink_rows(told))


def _uplink_rows(told: dict[str, dict[str, Any]]) -> Iterator[Figure]:
    if row := told.get("drain"):
        yield Figure(f"records drained ({row['records']} waited)", row["per_s"], "1/s", noise=1e9)
        yield Figure("CPU for a record", row["cpu_ms_per_record"], "ms", "less", 0.5)
        yield Figure("memory grown while draining", row["rss_growth_mb"], "MB", "less", 5.0)
    if row := told.get("idle latency"):
        yield Figure("put to acknowledged, idle, p95", row["p95_ms"], "ms", "less", 1e9)
    if row := told.get("thin line"):
        yield Figure("put to acknowledged, 64 kbit/s, p95", row["p95_s"], "s", "less", 1e9)


def _benchmark(text: str) -> list[Figure]:
    return [
        Figure(
            f"{row['what']} (limit {row['limit']})",
            round(row["value"], 3),
            better="less" if row["limit"].startswith("<") else "more",
            noise=0.05 * abs(row["value"]),
        )
        for row in json.loads(text)["verdicts"]
    ]


def _mutation(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    return [
        Figure("small wrong changes made", told["changes"], noise=1e9),
        Figure("noticed by the tests", told["score"], noise=0.05, asked=0.85),
        *(
            Figure(f"noticed, {package}", value, noise=0.1)
            for package, value in told["packages"].items()
        ),
    ]


def _fuzzing(text: str) -> list[Figure]:
    return [
        figure
        for kind, told in _lines(text)[-1].items()
        for figure in (
            Figure(f"inputs, {kind}", told["inputs"], noise=1e9),
            Figure(f"minutes, {kind}", round(told["spent_s"] / 60, 1), noise=1e9),
            Figure(f"crashes, hangs, memory, bugs, {kind}", told["findings"], "", "less", asked=0),
            Figure(f"crashes survived, {kind}", told["outlived"], "", "less", 1e9),
            Figure(f"slowest input, {kind}", told["slowest_s"], "s", "less", 1e9, asked=10),
            Figure(f"most memory, {kind}", told["peak_mb"], "MB", "less", 50),
        )
    ]


def _cameras(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    return [
        Figure("cameras that work", told["cameras"]),
        Figure("false faults of theirs", told["false_faults"], "", "less", asked=0),
        Figure("least share of the looks wanted", told["least_looks_share"], noise=0.03,
               asked=0.95),
        Figure("cameras without pictures", told["silent_cameras"]),
        Figure("last picture to fault and blind time, worst", told["worst_sign_s"], "s", "less",
               1.0, asked=12),
    ]  # fmt: skip


def _sites(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    return [
        Figure("sites", told["sites"]),
        Figure("foretold by edge check", told["foretold"], asked=told["sites"]),
        Figure("all other items work", told["others_work"], asked=told["sites"]),
        Figure("the page answers", told["page_answers"], asked=told["sites"]),
    ]


def _fleet(text: str) -> list[Figure]:
    """Every number that the run tells, under the names it tells them by."""
    told = _lines(text)[-1]
    return [
        Figure(name.replace("_", " "), value, noise=1e9)
        for name, value in told.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]


def _power(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    return [
        Figure("power cuts", told["cuts"], asked=25),
        Figure("records promised", told["promised"], noise=1e9),
        Figure("promised and missing", told["missing"], "", "less", asked=0),
        Figure("invented", told["invented"], "", "less", asked=0),
        Figure("revisions of cases sealed on the box", told["sensed"], noise=1e9),
        Figure("released and missing", told["sensed_missing"], "", "less", asked=0),
        Figure(
            "boot to the first record there, slowest", told["slowest_return_s"], "s", "less", 1e9
        ),
    ]


def _flood(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    figures = [
        Figure(f"peak memory, {unit}", told["peak_mb"][unit], "MB", "less", 30.0, limit)
        for unit, limit in told["limit_mb"].items()
    ]
    unserved = told["records"] - told["released"]
    tries = sum(told["tries"].values())
    return [
        Figure("length", told["seconds"], "s", noise=1e9),
        Figure("tries of the attackers that were counted", tries, noise=1e9),
        *figures,
        Figure("daemons started again", len(told["restarted"]), "", "less", asked=0),
        Figure("honest records not released", unserved, f"of {told['records']}", "less", asked=0),
        Figure(
            "honest visits answered", told["visits_answered"], f"of {told['visits']}", noise=1e9
        ),
    ]


def _waves(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    names = {"bad": "bad everywhere", "now_and_then": "bad on every second box"}
    touched = [
        Figure(
            f"{words}: share of the fleet before the halt",
            told[name]["touched_share"],
            better="less",
            noise=0.01,
            asked=0.02,
        )
        for name, words in names.items()
    ]
    return [
        Figure("devices", told["devices"], noise=1e9),
        *touched,
        Figure("a good release: share that has it", told["good"]["touched_share"], asked=1.0),
    ]


def _places(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    words = {"": "", "others_": ", of things and people in front on which nothing was tuned"}
    rows = [
        row
        for key, of in words.items()
        for row in (
            Figure(f"F1 of looks that were told{of}", told[f"{key}f1"], noise=0.01, asked=0.95),
            Figure(
                f"F1, an offence not told being missed{of}",
                told[f"{key}f1_all"],
                noise=0.02,
                asked=0.95,
            ),
            Figure(
                f"cannot tell, of looks with something in front{of}",
                told[f"{key}untold_in_front"],
                noise=0.01,
                asked=0.95,
            ),
        )
    ]
    cases = told["cases_of_unchanging_places"]
    return [
        *rows,
        Figure("hours of unchanging places", told["hours"], "h", noise=1e9),
        Figure("cases in them", cases, better="less", asked=0),
    ]


def _loops(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    return [
        Figure("loops", told["loops"], noise=1e9),
        Figure("found with their period, share", told["found_share"], noise=0.02, asked=0.95),
    ]


def _streets(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    return [
        Figure("street sound without a loop", told["street_hours"], "h", noise=1e9),
        Figure("windows called a loop", told["false_loops"], better="less", asked=1),
        Figure("cases that come of them", told["false_cases"], better="less", asked=0),
        Figure("share of a core", told["cpu_share"], better="less", noise=0.01, asked=0.03),
    ]


def _updates(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    wrong = told["wrong"] + told["missing"] + told["gaps"] + told["chain_breaks"]
    return [
        Figure("updates", told["updates"], noise=1e9),
        Figure("of them killed or cut off", told["struck"], noise=1e9),
        Figure("of them bad releases", told["bad"], noise=1e9),
        Figure("ended otherwise than they should", told["wrong"], better="less", asked=0.0),
        Figure("records promised meanwhile", told["promised"], noise=1e9),
        Figure("missing, gaps, breaks", wrong - told["wrong"], better="less", asked=0.0),
        Figure("a camera blind, most", told["blind_s_most"], "s", "less", 5.0, 20.0),
        Figure("an update, median", told["took_s"], "s", "less", 1e9),
        Figure("bytes of a first release", told["bytes_first"] / 1e6, "MB", "less", 20.0),
        Figure("bytes of the next", told["bytes_next"] / 1e6, "MB", "less", 1.0),
    ]


def _cluster(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    wrong = ("doubled", "invented", "gaps", "breaks", "quarantined", "given_up")
    return [
        Figure("boxes", told["boxes"], noise=1e9),
        Figure("records promised", told["promised"], noise=1e9),
        Figure("files promised", told["files"], noise=1e9),
        Figure("faults made", len(told["steps"]), noise=1e9),
        Figure("records missing", told["missing"], better="less", asked=0.0),
        Figure("files missing or torn", told["torn"], better="less", asked=0.0),
        Figure("doubled, invented, given up", sum(told[n] for n in wrong), "", "less", asked=0.0),
        Figure("drained after the healing", told["drained_s"], "s", "less", 1e9, 60.0),
    ]


def _store(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    return [
        Figure("a file that two receivers put together", told["mb"], "MB", noise=1e9),
        Figure("whole, byte for byte", float(told["whole"]), asked=1.0),
        Figure("chunks sent a second time", told["sent_again"], better="less", asked=0.0),
        Figure("parts of its upload", told["upload_parts"], noise=1e9),
        Figure("torn file refused", float(told["torn_refused"]), asked=1.0),
    ]


def _throughput(text: str) -> list[Figure]:
    told = _lines(text)[-1]
    return [
        Figure("records a second of a receiver's core", told["per_core_s"], noise=150.0),
        Figure("lost or doubled", told["lost_or_doubled"], better="less", asked=0.0),
    ]


MEASURES: dict[str, Measure] = {
    "clips": Measure(
        "Events on the project's own clips, from pixels",
        "自带片段：从像素到事件",
        (PYTHON, "-m", "tools.documents.clips"),
        _clips,
        about="Rendered streets that training never saw; their dwell times are cut to seconds.",
    ),
    "realclips": Measure(
        "Real clips in which nothing is violated, from pixels",
        "真实路面录像（无违规）：误报",
        (PYTHON, "-m", "tools.documents.realclips"),
        _realclips,
        about="Every clip as it is and 1280 px wide, all rules of a new camera; stills as one a "
        "second. Frames of these clips were hard negatives of the model's training and the rules "
        "were mended on them: they say that nothing came back, not what a new camera will see.",
    ),
    "flights": Measure(
        "Findings and places of the rendered flights, from pixels",
        "渲染巡飞：从像素到发现与位置",
        (PYTHON, "-m", "tools.documents.flights"),
        _flights,
        about="Two flights over streets that training never saw, without a register of sites: "
        "everything is judged everywhere. Poses are exact to the aircraft's rounding, so the place "
        "error is the detector's and the projection's, not GNSS.",
    ),
    "accuracy": Measure(
        "Accuracy of the shipped model on real pictures",
        "自带模型在真实图片上的精度",
        ("tools/evaluate", f"models/{DEFAULT_MODEL}.onnx", "--json"),
        _accuracy,
        about=f"Intervals, sources, weak spots: [its card](../models/{DEFAULT_MODEL}.md).",
    ),
    "replay": Measure(
        "Rules on recorded cases",
        "规则回放",
        (".venv/bin/edge", "replay", "--all", "--json"),
        _replay,
        cheap=True,
        about="Made detections with known truth: they judge the rules, not the detector.",
    ),
    "speed": Measure(
        "Speed and memory, as ratios in one run",
        "速度与内存（同场比值）",
        ("tools/benchmark",),
        _benchmark,
        about="Peers that are not installed are left out; all: [performance.md](performance.md).",
        output="out/benchmark/benchmark.json",
    ),
    "faults": Measure(
        "Faults survived by the uplink",
        "上报链路故障",
        ("tools/faults", "--json"),
        _faults,
        about="The short form; `--full` is the long one.",
    ),
    "uplink": Measure(
        "Uplink: rate, memory, latency",
        "上报速率、内存、时延",
        ("tools/uplink-figures",),
        _uplink,
    ),
    "fleet": Measure(
        "A fleet of simulated devices through an outage",
        "模拟设备群",
        ("tools/fleet", "--devices", "100", "--json"),
        _fleet,
        about="2,000 devices and five minutes without a broker: [scale.md](scale.md).",
    ),
    "power": Measure(
        "Real power cuts of an installed box at work",
        "真实断电",
        ("tools/systemtest", "--power", "25"),
        _power,
        about="A kernel of its own (User-Mode Linux) with ext4, killed; what a disk's own cache "
        "loses besides is tried on images (tools/faultlab/powercut.py).",
        output="out/systemtest/power.json",
    ),
    "flood": Measure(
        "Floods at every door at once",
        "各入口同时受洪水攻击",
        ("tools/flood", "--seconds", "600", "--json"),
        _flood,
        about="Limits are those of the units (MemoryMax=).",
    ),
    "waves": Measure(
        "Software releases in waves over a simulated fleet",
        "软件分批升级（模拟设备群）",
        (PYTHON, "-m", "tools.faultlab.fleet_waves", "--devices", "2000"),
        _waves,
        about="Every message is real and signed; the boxes are simulated: [scale.md](scale.md).",
    ),
    "places": Measure(
        "Taught places (rule kind state), drawn, in seven weathers of which one was never taught",
        "教过的位置（种类 state）：画出来的，七种天气，其中一种从未教过",
        tuple(
            f"{PYTHON} -m tools.bench.places --first-place 300 --seed 20261128 --days 5"
            " --out out/places.jsonl".split()
        ),
        _places,
        about="Eight pictures a look. Features and limits were tuned on other places and "
        "on none of the things and people in front of the second rows. Drawings, no photographs.",
    ),
    "loops": Measure(
        "A repeated loudspeaker in made streets at -3 dB",
        "人造街声里的循环喇叭，-3 dB",
        tuple(f"{PYTHON} -m tools.bench.loudspeaker --loops 64 --hours 0 --seed 20261130".split()),
        _loops,
        about="Two minutes each, through rooms, clipping, G.711, AAC 32k; fresh seed, made voices.",
    ),
    "streets": Measure(
        "Street sound without a repeated loudspeaker, of a second generator, on a fresh seed",
        "没有循环喇叭的街声（第二个生成器，全新随机种子）",
        tuple(
            f"{PYTHON} -m tools.bench.other_streets --seed 20261129 --hours 24"
            " --out out/street-day.jsonl".split()
        ),
        _streets,
        about="Market, callers, rain, traffic, bells, beepers, birds; one is allowed in a day. "
        "Limits were set on some windows of both generators with other seeds. The first row "
        "says how many of the 24 hours were reached.",
    ),
    "cluster": Measure(
        "A cluster whose brokers, database and receivers die and part",
        "集群：消息服务器、数据库和接收端逐个失效、断网",
        ("tools/cluster",),
        _cluster,
        about="Three RabbitMQ nodes, PostgreSQL with a standby, all in namespaces of one machine: "
        "[scale.md](scale.md#the-cluster).",
        output="out/cluster/cluster.json",
    ),
    "store": Measure(
        "Evidence in a real S3-compatible store",
        "证据存入真实的 S3 兼容存储",
        (PYTHON, "-m", "tools.clustered.stores"),
        _store,
        about="Ceph's gateway with one disk.",
        output="out/cluster/store.json",
    ),
    "throughput": Measure(
        "Records that a receiver takes",
        "接收端吞吐",
        (PYTHON, "-m", "tools.clustered.throughput", "--records", "1500"),
        _throughput,
        about="CPU time of the receiver alone; PostgreSQL with a standby, evidence in a folder.",
        output="out/cluster/throughput.json",
    ),
    "updates": Measure(
        "Software updates of a booted box, killed and cut off on the way",
        "真实 systemd 下的软件升级（中途强杀、断电）",
        ("tools/systemtest", "--updates", "16", "--bad-each", "2", "--seed", "3"),
        _updates,
        about="Debian 12 under systemd, a real mirror and broker. Good releases differ in their "
        "manifest only here; a changed program costs 1.1 MB. 200 updates were asked and not run: "
        "[install.md](install.md#software-releases--软件升级).",
        output="out/updates.json",
    ),
    "exposure": Measure(
        "Exposure of the daemons, systemd's own score",
        "服务暴露面评分",
        ("systemd-analyze", "security", "--offline=true", "--no-pager", *UNITS),
        _exposure,
        cheap=True,
    ),
    "mutation": Measure(
        "Small wrong changes that the tests notice",
        "测试能察觉的小改动",
        ("tools/mutation", "--json"),
        _mutation,
        about="A sample drawn with a seed; lines that only child processes run count as unnoticed.",
    ),
    "fuzzing": Measure(
        "Changed files and streams through the product's own readers",
        "变异文件与码流：自有读取程序",
        (PYTHON, "-m", "tools.faultlab.fuzz_files", "--minutes", "10"),
        _fuzzing,
        about="Ten minutes of each kind. Survived: the library crashed in the process apart in "
        "which every model is opened first.",
        output="out/fuzz-files/summary.json",
    ),
    "cameras": Measure(
        "Cameras with clocks of every kind before a real visiond, ten minutes",
        "各种时钟的摄像机，真实 visiond，十分钟",
        (PYTHON, "-m", "tools.faultlab.camera_faults", "--seconds", "600"),
        _cameras,
        about="All at once, with a small model made for it; 3 more cameras fall silent, send what "
        "is no picture, or never answer.",
        output="out/camera-faults.json",
    ),
    "sites": Measure(
        "Sites with one wrong item each, run for real",
        "一处有误的点位文件，真实运行",
        (PYTHON, "-m", "tools.faultlab.mutated_sites", "--count", "200"),
        _sites,
        output="out/mutated-sites.json",
    ),
    "shape": Measure(
        "Shape of the code",
        "代码形状",
        (PYTHON, "-m", "tools.documents.shape"),
        _shape,
        cheap=True,
    ),
}
