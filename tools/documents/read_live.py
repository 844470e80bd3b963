# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the benches of live and of quiet cameras print, as figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tools.documents.figure import Figure, json_lines

# A policy of tools.bench.live -> how a figure calls it.
POLICIES = {"whole": "all decoded, 5 a second", "auto": "as shipped", "boxes": "motion boxes"}


# What is asked of what is shipped, of a scene: cores a camera, and seconds to the first look.
ASKED_CORE = {"still": 0.035, "sparse": 0.07, "busy": 0.13}
ASKED_LOOK_S = {"sparse": 1.0, "busy": 0.3}
USUAL = "h264 25/s, key 2 s, 0 B"


def read_live(text: str) -> list[Figure]:
    """Cores and first looks of each run that can be trusted, and what is shipped as a share of the
    other policies on the same cameras."""
    rows = [row for row in json_lines(text) if "policy" in row and not row["distrust"]]
    figures = [figure for row in rows for figure in _live(row)]
    cost = {(_street(row), row["policy"]): row["core"] for row in rows}
    for (street, policy), core in cost.items():
        if policy != "auto" and (street, "auto") in cost:
            share = round(cost[street, "auto"] / core, 3) if core else 0.0
            name = f"as shipped / {POLICIES[policy]}, {street}"
            figures.append(Figure(name, share, better="less", noise=0.1))
    return figures


def _street(row: dict[str, Any]) -> str:
    coding = "" if row["coding"] == USUAL else f", {row['coding']}"
    provider = row.get("provider", "auto")
    runtime = "" if provider == "auto" else f", {provider}"
    return f"{row['scene']}, {row['cameras']} cameras{coding}{runtime}"


def _live(row: dict[str, Any]) -> list[Figure]:
    name, shipped = f"{_street(row)}, {POLICIES[row['policy']]}", row["policy"] == "auto"
    core = Figure(f"{name}: core a camera", row["core"], better="less", noise=0.02)
    found = [replace(core, asked=ASKED_CORE[row["scene"]] if shipped else None)]
    if row["arrivals"]:
        late = Figure(f"{name}: arrival to first look, p95", row["first_look_p95_s"], "s")
        asked_s = ASKED_LOOK_S.get(row["scene"]) if shipped else None
        found.append(replace(late, better="less", noise=0.3, asked=asked_s))
        share = round(row["followed"] / row["arrivals"], 3)
        found.append(Figure(f"{name}: arrivals followed, share", share, noise=0.1))
    return found


def read_asleep(text: str) -> list[Figure]:
    """The share of the time that each disturbance keeps a camera awake, film by film."""
    rows = json_lines(text)
    shares = [
        Figure(
            f"awake, {row['disturbance']}, film {row['seed']}",
            row["awake"],
            better="less",
            noise=0.05,
            asked=0.05,
        )
        for row in rows
        if "disturbance" in row
    ]
    return [*_releases(rows), *shares]


def read_hidden(text: str) -> list[Figure]:
    """Of squares put on a street, how many woke a camera by the next key picture, by their side."""
    rows = [row for row in json_lines(text) if "hidden" in row]
    told = [
        Figure(
            f"{row['of_the_height']} of the height, {row['under']}, of {row['places']}",
            row["told_by_the_next_key_picture"],
            noise=1.0,
        )
        for row in rows
    ]
    return [*_releases(rows), *told]


def _releases(rows: list[dict[str, Any]]) -> list[Figure]:
    """The release of the model that rows were measured with: all of them, if with several."""
    releases = sorted({row["release"] for row in rows if "release" in row})
    return [Figure("release of the model", release, noise=1e9) for release in releases]


def read_arrivals(text: str) -> list[Figure]:
    """Of what came: the cases, and what was followed, with everything decoded and not asleep, and
    the first look."""
    rows = [row for row in json_lines(text) if "arrivals" in row]
    return [*_releases(rows), *(figure for row in rows for figure in _arrived(row))]


def _arrived(told: dict[str, Any]) -> list[Figure]:
    where = f"{told['kind']}, {told['under']}, film {told['seed']}"
    late = Figure(f"arrival to first look, p95, {where}", told["first_look_p95_s"], "s")
    found = [Figure(f"arrivals, {where}", told["arrivals"], noise=1e9)]
    if told["cases_whole"]:
        found += [
            Figure(f"cases with everything decoded, {where}", told["cases_whole"], noise=1e9),
            Figure(f"cases lost asleep, {where}", told["cases_lost"], better="less", asked=0),
        ]
    found += [
        Figure(f"followed with everything decoded, {where}", told["followed_whole"], noise=1e9),
        Figure(f"followed so and not asleep, {where}", told["lost"], better="less"),
    ]
    if told["by_chance"] is not None:
        name = f"followed so and not by 4.9 looks a second, {where}"
        found.append(Figure(name, told["by_chance"], noise=1e9))
    return [*found, replace(late, better="less", noise=0.2, asked=1.0)]
