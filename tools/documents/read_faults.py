# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the commands print that make faults, floods and power cuts, and updates under way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.documents.figure import Figure, json_lines


def read_faults(text: str) -> list[Figure]:
    """By test: what was lost, invented or freed too early, and the worst recovery."""
    figures = []
    for row in json_lines(text):
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


def read_power(text: str) -> list[Figure]:
    """Records promised, missing and invented over the cuts."""
    told = json_lines(text)[-1]
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


def read_arm(text: str) -> list[Figure]:
    """By Debian: whether the same was judged as on x86-64, and the tests that passed there."""
    return [figure for row in json_lines(text) for figure in _arm_rows(row)]


def _arm_rows(row: dict[str, Any]) -> list[Figure]:
    called, revisions = f"Debian {row['debian']}", sum(row["cases"].values())
    categories = f"of {revisions} in {len(row['cases'])} categories"
    same = revisions if row["same_as_x86"] else 0
    return [
        Figure(f"{called}: packages of the lock installed", row["packages"], noise=1e9),
        Figure(
            f"{called}: revisions of cases as on x86-64", same, categories, asked=float(revisions)
        ),
        Figure(f"{called}: tests passed, none failed", row["passed"], noise=1e9),
    ]


def read_flood(text: str) -> list[Figure]:
    """Peak memory by unit, and what honest visitors and records got."""
    told = json_lines(text)[-1]
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


def read_waves(text: str) -> list[Figure]:
    """The share of the fleet that a bad release reached before the halt."""
    told = json_lines(text)[-1]
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


def read_updates(text: str) -> list[Figure]:
    """How updates ended, and what was missing after them."""
    told = json_lines(text)[-1]
    wrong = told["wrong"] + told["missing"] + told["gaps"] + told["chain_breaks"]
    return [
        Figure("updates", told["updates"], noise=1e9),
        Figure("of them killed or cut off", told["struck"], noise=1e9),
        Figure("of them bad releases", told["bad"], noise=1e9),
        Figure("ended otherwise than they should", told["wrong"], better="less", asked=0.0),
        Figure("records promised meanwhile", told["promised"], noise=1e9),
        Figure("missing, gaps, breaks", wrong - told["wrong"], better="less", asked=0.0),
        Figure("a camera blind, most", told["blind_s_most"], "s", "less", 5.0, 20.0),
        Figure("updates in which that was watched", told["blind_of"], noise=1e9),
        Figure("an update, median", told["took_s"], "s", "less", 1e9),
        Figure("bytes of a first release", told["bytes_first"] / 1e6, "MB", "less", 20.0),
        Figure("bytes of the next", told["bytes_next"] / 1e6, "MB", "less", 1.0),
    ]


def read_cluster(text: str) -> list[Figure]:
    """Records and files missing after the faults of a cluster."""
    told = json_lines(text)[-1]
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


def read_outage(text: str) -> list[Figure]:
    """How a fleet comes back after all brokers were away, and what of its records is missing."""
    told = json_lines(text)[-1]
    return [
        Figure("devices", told["devices"], noise=1e9),
        Figure("of them back", told["back"], asked=told["devices"]),
        Figure("most of the fleet in one second", told["peak_share_s"], "", "less", 0.01, 0.03),
        Figure("all back after", told["all_back_s"], "s", "less", 30.0, 130.0),
        Figure("the last record stored after", told["drained_s"], "s", "less", 1e9),
        Figure("records put", told["put"], noise=1e9),
        Figure("of them not stored", told["put"] - told["stored"], "", "less", asked=0.0),
    ]


def read_slots(text: str) -> list[Figure]:
    """MB of one release, of a second one beside it, and what is asked for beforehand."""
    found = json_lines(text)[-1]
    asked = found["free_asked_for_first_mb"]
    return [
        Figure("a first release travels", found["first_travels_mb"], "MB", "less", 10.0),
        Figure("one slot", found["one_slot_mb"], "MB", "less", 20.0),
        Figure("free before a first release travels, as the box asks", asked, "MB", noise=1e9),
        Figure("what it then takes", found["free_taken_by_first_mb"], "MB", "less", 20.0, asked),
        Figure("a changed program travels", found["changed_program_travels_mb"], "MB", "less", 1.0),
        Figure("both slots, where the program differs", found["both_slots_mb"], "MB", "less", 20.0),
    ]


def read_store(text: str) -> list[Figure]:
    """Whether a file came whole into the store, and a torn one was refused."""
    told = json_lines(text)[-1]
    return [
        Figure("a file that two receivers put together", told["mb"], "MB", noise=1e9),
        Figure("whole, byte for byte", float(told["whole"]), asked=1.0),
        Figure("chunks sent a second time", told["sent_again"], better="less", asked=0.0),
        Figure("parts of its upload", told["upload_parts"], noise=1e9),
        Figure("torn file refused", float(told["torn_refused"]), asked=1.0),
    ]


def read_throughput(text: str) -> list[Figure]:
    """Records a second of one core."""
    told = json_lines(text)[-1]
    return [
        Figure("records a second of a receiver's core", told["per_core_s"], noise=150.0),
        Figure("lost or doubled", told["lost_or_doubled"], better="less", asked=0.0),
    ]


def read_uplink(text: str) -> list[Figure]:
    """Rate, memory and latency; rows that were not measured are left out."""
    told = {row["figure"]: row for row in json_lines(text)}
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


def read_fleet(text: str) -> list[Figure]:
    """Every number that the run tells, under the names it tells them by."""
    told = json_lines(text)[-1]
    return [
        Figure(name.replace("_", " "), value, noise=1e9)
        for name, value in told.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]


def read_fuzzing(text: str) -> list[Figure]:
    """By kind: inputs, findings, the slowest and the largest."""
    return [
        figure
        for kind, told in json_lines(text)[-1].items()
        for figure in (
            Figure(f"inputs, {kind}", told["inputs"], noise=1e9),
            Figure(f"minutes, {kind}", round(told["spent_s"] / 60, 1), noise=1e9),
            Figure(f"crashes, hangs, memory, bugs, {kind}", told["findings"], "", "less", asked=0),
            Figure(f"crashes survived, {kind}", told["outlived"], "", "less", 1e9),
            Figure(f"slowest input, {kind}", told["slowest_s"], "s", "less", 1e9, asked=10),
            Figure(f"most memory, {kind}", told["peak_mb"], "MB", "less", 50),
        )
    ]


def read_cameras(text: str) -> list[Figure]:
    """False faults, looks, and how soon silence shows."""
    told = json_lines(text)[-1]
    return [
        Figure("cameras that work", told["cameras"]),
        Figure("false faults of theirs", told["false_faults"], "", "less", asked=0),
        Figure("least share of the looks wanted", told["least_looks_share"], noise=0.03,
               asked=0.95),
        Figure("cameras without pictures", told["silent_cameras"]),
        Figure("last picture to fault and blind time, worst", told["worst_sign_s"], "s", "less",
               1.0, asked=12),
    ]  # fmt: skip


def read_sites(text: str) -> list[Figure]:
    """Sites that were foretold, worked beside their fault, and answered."""
    told = json_lines(text)[-1]
    return [
        Figure("sites", told["sites"]),
        Figure("foretold by edge check", told["foretold"], asked=told["sites"]),
        Figure("all other items work", told["others_work"], asked=told["sites"]),
        Figure("the page answers", told["page_answers"], asked=told["sites"]),
    ]
