# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the benches of live and of quiet cameras print, as figures."""

from __future__ import annotations

from tools.documents.figure import Figure, json_lines

# A policy of tools.bench.live -> how a figure calls it.
POLICIES = {"whole": "all decoded, 5 a second", "auto": "as shipped", "boxes": "motion boxes"}


def read_still(text: str) -> list[Figure]:
    """Cores and memory of each run; what is shipped as a share of the others in the same run."""
    rows = [row for row in json_lines(text) if "policy" in row]
    figures = [
        Figure(
            f"{row['scene']}, {row['cameras']} cameras, {POLICIES[row['policy']]}: core a camera",
            row["core"],
            better="less",
            noise=0.02,
            asked=0.035 if (row["scene"], row["policy"]) == ("still", "auto") else None,
        )
        for row in rows
    ]
    cost = {(row["cameras"], row["policy"]): row["core"] for row in rows}
    for (count, policy), core in cost.items():
        if policy != "auto" and (count, "auto") in cost:
            share = round(cost[count, "auto"] / core, 3) if core else 0.0
            name = f"as shipped / {POLICIES[policy]}, {count} cameras"
            figures.append(Figure(name, share, better="less", noise=0.1))
    return figures


def read_asleep(text: str) -> list[Figure]:
    """The share of the time that each disturbance keeps a camera awake."""
    return [
        Figure(f"awake, {row['disturbance']}", row["awake"], better="less", noise=0.05, asked=0.05)
        for row in json_lines(text)
        if "disturbance" in row
    ]


def read_arrivals(text: str) -> list[Figure]:
    """Arrivals that were followed with everything decoded and not asleep, and the first look."""
    told = json_lines(text)[-1]
    return [
        Figure("arrivals", told["arrivals"], noise=1e9),
        Figure("followed with everything decoded", told["followed_whole"], noise=1e9),
        Figure("lost asleep", told["lost"], better="less", asked=0),
        Figure(
            "arrival to first look, p95",
            told["first_look_p95_s"],
            "s",
            better="less",
            noise=0.2,
            asked=1.0,
        ),
    ]
