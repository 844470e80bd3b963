# SPDX-License-Identifier: AGPL-3.0-or-later
"""What many cases cost, and whether a receiver comes to the same states from the wire alone.

    tools/python -m tools.bench.cases [--cases 10000] [--json]

Makes cases with steps of every kind, late and contradictory; then, each in a process of its own:
reads and folds them and makes a month's report page (seconds of CPU, MB above an empty process),
and folds the same steps again from their records on the wire, as the reference platform does.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.handling.life import OUTCOMES, CaseStep, StepKind, fold, make_step
from edge.handling.store import append_steps, by_case, read_steps

ZONE = ZoneInfo("Asia/Shanghai")
MONTH = date(2026, 3, 1)
START = 1_772_294_400.0
DAY_S = 86_400.0


def steps_of(number: int, rng: random.Random) -> list[CaseStep]:
    """One case: found, reviewed by several who may disagree, rechecked, sometimes settled."""
    case, at = f"v-{number:08d}", START + rng.random() * 30 * DAY_S
    head = {
        "category": rng.choice(["street-vendor", "piled-goods", "road-spillage"]),
        "names": {"zh": "无照经营游商", "en": "street vending without a licence"},
        "source": f"cam-{rng.randrange(20)}", "source_name": "鼓楼东街", "kind": "fixed_camera",
        "grid": f"3704050010010{rng.randrange(10, 40)}", "place": "鼓楼东街 12 号",
        "anchor": [rng.random(), rng.random()], "box": [0.1, 0.2, 0.3, 0.4], "began": at - 200,
        "occurrence": 1, "priority": "normal", "gate": "complete", "subject": "",
    }  # fmt: skip
    made = [make_step(case, "found", at, arrived=at, by="box", role="box", facts=head)]
    kinds: list[StepKind] = rng.choices(
        ["confirmed", "misdetected", *OUTCOMES, "paused", "resumed", "overdue", "still_there",
         "gone", "cannot_see", "settled", "left"],
        [6, 2, *[1] * len(OUTCOMES), 1, 1, 1, 2, 2, 1, 2, 3],
        k=rng.randrange(6),
    )  # fmt: skip
    for kind in kinds:
        when = at + rng.random() * 3 * DAY_S
        facts = {"due": when + 14_400.0} if kind == "confirmed" else {}
        by = rng.choice(["box", "wang", "platform"])
        made.append(make_step(case, kind, when, arrived=when + 5, by=by, role="page", facts=facts))
    return made


def make(state: Path, cases: int) -> None:
    """The steps of so many cases on disk."""
    rng = random.Random(17)
    append_steps(state, [step for n in range(cases) for step in steps_of(n, rng)])


def report(state: Path) -> dict[str, float]:
    """Seconds of CPU and MB that a month's page costs, from the files on disk."""
    from edge.handling.report import make_report, month_of
    from edge.handling.report_page import report_html
    from edge.handling.store import lives

    before, began = _megabytes(), time.process_time()
    steps, _ = read_steps(state)
    page = report_html(
        make_report(lives(steps), [], month_of(MONTH, ZONE), START + 60 * DAY_S), "zh", "made"
    )
    spent_s = time.process_time() - began
    return {"cpu_s": spent_s, "mb": _megabytes() - before, "page_kb": len(page) / 1000}


def _megabytes() -> float:
    """The most memory this process has held so far. Not ru_maxrss: a child begins with that of its
    parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(status.partition("VmHWM:")[2].split()[0]) / 1000.0


def wire(state: Path) -> dict[str, float]:
    """The platform's states, folded from sealed records that came in any order, against ours."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from city_platform.cases import lives_of
    from edge.handling.casework import step_data
    from edge.uplink import seal
    from edge.uplink.wire import envelope
    from edge.values import Stamp

    private = Ed25519PrivateKey.generate()
    signer = seal.Signer(seal.fingerprint(private.public_key()), private)
    steps, _ = read_steps(state)
    known = {case: fold(rows) for case, rows in by_case(steps).items()}
    records = []
    for seq, step in enumerate(steps, 1):
        data = step_data(step, known[step.case], Stamp(0.0, step.arrived, "ntp"))
        head = envelope(
            "handling", data, device="box-1", tenant="city", boot=1, seq=seq, prev="0" * 64,
            kid=signer.kid,
        )  # fmt: skip
        records.append(signer.sign(head))
    random.Random(3).shuffle(records)
    there = {life.case: life.state for life in lives_of(records + records[: len(records) // 3])}
    here = {case: life.state for case, life in known.items() if life is not None}
    return {"records": len(records), "cases": len(here), "other_states": _differ(here, there)}


def _differ(here: Mapping[str, str], there: Mapping[str, str]) -> int:
    return sum(here.get(case) != there.get(case) for case in here.keys() | there.keys())


def main() -> int:
    """0 where the receiver has the same states; the figures are for the reader to judge."""
    parser = argparse.ArgumentParser(prog="tools.bench.cases", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", choices=("report", "wire"), help=argparse.SUPPRESS)
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part is not None:
        print(json.dumps({"report": report, "wire": wire}[args.part](args.state)))
        return 0
    with tempfile.TemporaryDirectory(prefix="edge-cases-") as folder:
        make(Path(folder), args.cases)
        told = {part: _apart(part, folder) for part in ("report", "wire")}
    if args.json:
        print(json.dumps({"cases": args.cases, **told}))
    else:
        cost, same = told["report"], told["wire"]
        print(f"{args.cases} cases: {cost['cpu_s']:.2f} s of CPU, {cost['mb']:.0f} MB for a page")
        print(f"{same['records']} records: {same['other_states']} case(s) in another state there")
    return 0 if told["wire"]["other_states"] == 0 else 1


def _apart(part: str, folder: str) -> dict[str, float]:
    argv = [sys.executable, "-m", "tools.bench.cases", "--part", part, "--state", folder]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
