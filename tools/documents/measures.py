# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is measured, by which command, and how its output becomes figures. One row each."""

from __future__ import annotations

from pathlib import Path

from edge.release.store import DEFAULT_MODEL
from tools.documents.figure import Measure
from tools.documents.read_accuracy import (
    read_accuracy,
    read_clips,
    read_corner,
    read_corners,
    read_flights,
    read_loops,
    read_places,
    read_realclips,
    read_replay,
    read_streets,
)
from tools.documents.read_code import (
    read_benchmark,
    read_exposure,
    read_mutation,
    read_page,
    read_shape,
)
from tools.documents.read_faults import (
    read_arm,
    read_cameras,
    read_cluster,
    read_faults,
    read_fleet,
    read_flood,
    read_fuzzing,
    read_outage,
    read_power,
    read_sites,
    read_slots,
    read_store,
    read_throughput,
    read_updates,
    read_uplink,
    read_waves,
)
from tools.documents.read_live import read_arrivals, read_asleep, read_hidden, read_live

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "tools/python"
UNITS = tuple(str(p.relative_to(ROOT)) for p in sorted((ROOT / "systemd").glob("edge-*.service")))

MEASURES: dict[str, Measure] = {
    "clips": Measure(
        "Events on the project's own clips, from pixels",
        "自带片段：从像素到事件",
        (PYTHON, "-m", "tools.documents.clips"),
        read_clips,
        about="Rendered streets that training never saw; their dwell times are cut to seconds.",
    ),
    "corners": Measure(
        "Films of corners that nothing was tuned on, from pixels",
        "未用于调参的新影片（从像素到案件）",
        (PYTHON, "-m", "tools.documents.clips", "--corners"),
        read_corners,
        about="Rendered: night rain, snow, a market day, school out, a festival, works, early "
        "deliveries, noon (tools/scenery/clip_corners.py), by the shipped dwell times. They are a "
        "test set: no threshold, rule, weight or training picture comes from them.",
    ),
    "realclips": Measure(
        "Real clips in which nothing is violated, from pixels",
        "真实路面录像（无违规）：误报",
        (PYTHON, "-m", "tools.documents.realclips"),
        read_realclips,
        about="Every clip as it is and 1280 px wide, all rules of a new camera; stills as one a "
        "second. Frames of these clips were hard negatives of the model's training and the rules "
        "were mended on them: they say that nothing came back, not what a new camera will see.",
    ),
    "flights": Measure(
        "Findings and places of the rendered flights, from pixels",
        "渲染巡飞：从像素到发现与位置",
        (PYTHON, "-m", "tools.documents.flights"),
        read_flights,
        about="Two flights over streets that training never saw, without a register of sites: "
        "everything is judged everywhere. Poses are exact to the aircraft's rounding, so the place "
        "error is the detector's and the projection's, not GNSS.",
    ),
    "accuracy": Measure(
        "Accuracy of the shipped model on real pictures",
        "自带模型在真实图片上的精度",
        ("tools/evaluate", f"models/{DEFAULT_MODEL}.onnx", "--json"),
        read_accuracy,
        about=f"Intervals, sources, weak spots: [its card](../models/{DEFAULT_MODEL}.md).",
    ),
    "corner": Measure(
        "A camera's second opinion, taught by verdicts (simulated)",
        "摄像机的第二意见：由核查结论教会（模拟）",
        ("env", "VENV=train", PYTHON, "-m", "tools.training.corner"),
        read_corner,
        about="A real camera with ten real days, and four real photographs in which the detector "
        "is wrong, seen on up to 120 days each in light that is drawn; right things are cut out "
        "of other photographs and pasted, which flatters: an outline may give them away. Truth "
        "stands for the officer. Needs datasets/streets and datasets/pack (tools/recipe).",
    ),
    "replay": Measure(
        "Rules on recorded cases",
        "规则回放",
        (".venv/bin/edge", "replay", "--all", "--json"),
        read_replay,
        cheap=True,
        about="Made detections with known truth: they judge the rules, not the detector.",
    ),
    "speed": Measure(
        "Speed and memory, as ratios in one run",
        "速度与内存（同场比值）",
        ("tools/benchmark",),
        read_benchmark,
        about="Peers that are not installed are left out; all: [performance.md](performance.md).",
        output="out/benchmark/benchmark.json",
    ),
    "faults": Measure(
        "Faults survived by the uplink",
        "上报链路故障",
        ("tools/faults", "--json"),
        read_faults,
        about="The short form; `--full` is the long one.",
    ),
    "uplink": Measure(
        "Uplink: rate, memory, latency",
        "上报速率、内存、时延",
        ("tools/uplink-figures",),
        read_uplink,
    ),
    "fleet": Measure(
        "A fleet of simulated devices through an outage",
        "模拟设备群",
        ("tools/fleet", "--devices", "100", "--json"),
        read_fleet,
        about="2,000 devices and five minutes without a broker: [scale.md](scale.md).",
    ),
    "power": Measure(
        "Real power cuts of an installed box at work",
        "真实断电",
        ("tools/systemtest", "--power", "25"),
        read_power,
        about="A kernel of its own (User-Mode Linux) with ext4, killed; what a disk's own cache "
        "loses besides is tried on images (tools/faultlab/powercut.py).",
        output="out/systemtest/power.json",
    ),
    "arm": Measure(
        "Debian for 64-bit ARM, emulated: the lock, twenty pictures, tests",
        "64 位 ARM 的 Debian（仿真）：依赖包、二十张图片、测试",
        ("tools/systemtest", "--arm", "--quick"),
        read_arm,
        about="qemu's user emulation on x86-64: no board. Wheels were unpacked by the host's pip; "
        "the tests are those of the outbox, of learning, seals and keys.",
        output="out/systemtest/arm.json",
    ),
    "flood": Measure(
        "Floods at every door at once",
        "各入口同时受洪水攻击",
        ("tools/flood", "--seconds", "600", "--json"),
        read_flood,
        about="Limits are those of the units (MemoryMax=).",
    ),
    "waves": Measure(
        "Software releases in waves over a simulated fleet",
        "软件分批升级（模拟设备群）",
        (PYTHON, "-m", "tools.faultlab.fleet_waves", "--devices", "2000"),
        read_waves,
        about="Every message is real and signed; the boxes are simulated: [scale.md](scale.md).",
    ),
    "places": Measure(
        "Taught places (rule kind state), drawn, in seven weathers of which one was never taught",
        "教过的位置（种类 state）：画出来的，七种天气，其中一种从未教过",
        tuple(
            f"{PYTHON} -m tools.bench.places --first-place 300 --seed 20261128 --days 5"
            " --out out/places.jsonl".split()
        ),
        read_places,
        about="Eight pictures a look. Features and limits were tuned on other places and "
        "on none of the things and people in front of the second rows. Drawings, no photographs.",
    ),
    "still": Measure(
        "Live 1080p25 cameras on still, sparse and busy streets, by how they are decoded",
        "静止、偶有来物和繁忙街道上的实时 1080p25 摄像机（按解码方式）",
        tuple(
            f"{PYTHON} -m tools.bench.live --cameras 4 --scenes still"
            " --policies whole,auto,boxes --seconds 40 --out out/live.jsonl".split()
        ),
        read_live,
        about="The real daemon on live cameras, one after the other in one run; the way of a "
        "recorder (decode all, motion boxes, detect on change) is our script with the same model. "
        "Rows of other runs of the same program may be put into the file and taken.",
        output="out/live.jsonl",
    ),
    "asleep": Measure(
        "Share of the time that a camera on a still street is awake, by what disturbs it",
        "静止街道上摄像机处于唤醒状态的时间占比（按干扰种类）",
        tuple(
            f"{PYTHON} -m tools.bench.sleeping --fps 12 --seconds 150 --seeds 0,1"
            " --out out/asleep.jsonl".split()
        ),
        read_asleep,
        about="Made streams, FFmpeg's encoder and decoder, the real reader, gate, model and judge. "
        "The policy was tuned on film 0.",
        output="out/asleep.jsonl",
    ),
    "hidden": Measure(
        "Squares put on the street of a sleeping camera that wake it by the next key picture",
        "放进休眠摄像机画面、下一关键帧即唤醒的方块（按边长）",
        tuple(f"{PYTHON} -m tools.bench.sleeping --fps 12 --hidden --out out/hidden.jsonl".split()),
        read_hidden,
        about="By day; bright squares, put there for good between two key pictures, 0.7 s before "
        "the next one, at three places: on the road, before the wall, on the pavement.",
        output="out/hidden.jsonl",
    ),
    "arrivals": Measure(
        "Arrivals in a sleeping camera's street against the same stream decoded whole",
        "休眠摄像机画面中的来物，与同一码流全部解码相比",
        tuple(
            f"{PYTHON} -m tools.bench.arrivals --fps 12 --count 100 --apart 20"
            " --kinds crossing,stall,smoke,carrier --out out/arrivals.jsonl".split()
        ),
        read_arrivals,
        about="By day: trucks that cross, small and large, slow and quick, one in 20 s; a stall, "
        "and somebody with a parcel, that come and stay; smoke. Everywhere in a group of "
        "pictures. Nights: `--under headlights`. Some of what tells packets apart was set on this "
        "film, too.",
        output="out/arrivals.jsonl",
    ),
    "spills": Measure(
        "Muck trucks that spill before a sleeping camera against the same stream decoded whole",
        "休眠摄像机画面中的渣土车抛洒，与同一码流全部解码相比",
        tuple(
            f"{PYTHON} -m tools.bench.arrivals --fps 12 --count 25 --kinds spill"
            " --out out/spills.jsonl".split()
        ),
        read_arrivals,
        about="By day, before a camera that sleeps once packet sizes told of movements.",
        output="out/spills.jsonl",
    ),
    "loops": Measure(
        "A repeated loudspeaker in made streets at -3 dB",
        "人造街声里的循环喇叭，-3 dB",
        tuple(f"{PYTHON} -m tools.bench.loudspeaker --loops 64 --hours 0 --seed 20261130".split()),
        read_loops,
        about="Two minutes each, through rooms, clipping, G.711, AAC 32k; fresh seed, made voices.",
    ),
    "streets": Measure(
        "Street sound without a repeated loudspeaker, of a second generator, on a fresh seed",
        "没有循环喇叭的街声（第二个生成器，全新随机种子）",
        tuple(
            f"{PYTHON} -m tools.bench.other_streets --seed 20261129 --hours 24"
            " --out out/street-day.jsonl".split()
        ),
        read_streets,
        about="Market, callers, rain, traffic, bells, beepers, birds; one is allowed in a day. "
        "Limits were set on some windows of both generators with other seeds. The first row "
        "says how many of the 24 hours were reached.",
    ),
    "cluster": Measure(
        "A cluster whose brokers, database and receivers die and part",
        "集群：消息服务器、数据库和接收端逐个失效、断网",
        ("tools/cluster",),
        read_cluster,
        about="Three RabbitMQ nodes, PostgreSQL with a standby, all in namespaces of one machine: "
        "[scale.md](scale.md#the-cluster).",
        output="out/cluster/cluster.json",
    ),
    "outage": Measure(
        "A fleet that comes back after its whole cluster was away for five minutes",
        "整个集群中断五分钟后，终端重新接入",
        (PYTHON, "-m", "tools.clustered.outage"),
        read_outage,
        about="All three RabbitMQ nodes killed at once; devices share eight processes, each with "
        "the product's link and outbox: [scale.md](scale.md#the-cluster).",
        output="out/cluster/outage.json",
    ),
    "store": Measure(
        "Evidence in a real S3-compatible store",
        "证据存入真实的 S3 兼容存储",
        (PYTHON, "-m", "tools.clustered.stores"),
        read_store,
        about="Ceph's gateway with one disk.",
        output="out/cluster/store.json",
    ),
    "throughput": Measure(
        "Records that a receiver takes",
        "接收端吞吐",
        (PYTHON, "-m", "tools.clustered.throughput", "--records", "1500"),
        read_throughput,
        about="CPU time of the receiver alone; PostgreSQL with a standby, evidence in a folder.",
        output="out/cluster/throughput.json",
    ),
    "updates": Measure(
        "Software updates of a booted box, killed and cut off on the way",
        "真实 systemd 下的软件升级（中途强杀、断电）",
        ("tools/systemtest", "--updates", "200"),
        read_updates,
        about="Debian 12 under systemd, a real mirror and broker. Good releases differ in their "
        "manifest only here; a changed program costs 1.1 MB. Blind: from the last status of one "
        "visiond to the first look of the next, where nothing was killed: "
        "[install.md](install.md#software-releases--软件升级).",
        output="out/updates.json",
    ),
    "slots": Measure(
        "Two releases of the software on one disk",
        "磁盘上的两个软件版本",
        (PYTHON, "-m", "tools.field.two_slots"),
        read_slots,
        about="What stands in both slots stands once on the disk. Before a release travels the box "
        "asks for the room of all that it has not, unpacked, with 300 MB left.",
    ),
    "exposure": Measure(
        "Exposure of the daemons, systemd's own score",
        "服务暴露面评分",
        ("systemd-analyze", "security", "--offline=true", "--no-pager", *UNITS),
        read_exposure,
        cheap=True,
    ),
    "mutation": Measure(
        "Small wrong changes that the tests notice",
        "测试能察觉的小改动",
        ("tools/mutation", "--json", "--budget", "125", "--seed", "77", "--jobs", "2"),
        read_mutation,
        about="A sample drawn with a seed, as many of each package. A test that fails without the "
        "change as well has not answered. Lines that only child processes run count as unnoticed, "
        "and so do changes that cannot show, but for those that a rule leaves out "
        "(`tools/faultlab/mutants.py`): log lines, words for people, assertions, and numbers that "
        "stand for never or for nothing.",
    ),
    "fuzzing": Measure(
        "Changed files and streams through the product's own readers",
        "变异文件与码流：自有读取程序",
        (PYTHON, "-m", "tools.faultlab.fuzz_files", "--minutes", "10"),
        read_fuzzing,
        about="Ten minutes of each kind. Survived: the library crashed in the process apart in "
        "which every model is opened first.",
        output="out/fuzz-files/summary.json",
    ),
    "cameras": Measure(
        "Cameras with clocks of every kind before a real visiond, ten minutes",
        "各种时钟的摄像机，真实 visiond，十分钟",
        (PYTHON, "-m", "tools.faultlab.camera_faults", "--seconds", "600"),
        read_cameras,
        about="All at once, with a small model made for it; 3 more cameras fall silent, send what "
        "is no picture, or never answer.",
        output="out/camera-faults.json",
    ),
    "sites": Measure(
        "Sites with one wrong item each, run for real",
        "一处有误的点位文件，真实运行",
        (PYTHON, "-m", "tools.faultlab.mutated_sites", "--count", "200"),
        read_sites,
        output="out/mutated-sites.json",
    ),
    "page": Measure(
        "The page on the box: four live views, weight, first paint, memory",
        "设备网页：四路实时、页面大小、首次显示、内存",
        ("tools/console-figures",),
        read_page,
        about="The real edge-consoled with 10,000 cases over TLS, and Chromium on the same "
        "machine: a first paint is the best of ten loads and grows with whatever else runs there.",
    ),
    "shape": Measure(
        "Shape of the code",
        "代码形状",
        (PYTHON, "-m", "tools.documents.shape"),
        read_shape,
        cheap=True,
    ),
}
