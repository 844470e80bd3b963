# SPDX-License-Identifier: AGPL-3.0-or-later
"""What counts as found: the sentences of the command line's contract, one by one."""

import itertools
import json
import random

import pytest

from edge.cli import main
from edge.rules.evaluation import Claim, TruthEvent, UnjudgedSpan, evaluate, match, off_by, total


def event(start=100.0, end=400.0, *, place=(0.5, 0.7), radius=0.1, must=True, category="a"):
    return TruthEvent(category, start, end, place, radius, must)


def claim(began=100.0, *, place=(0.5, 0.7), category="a", name=None, decided=None):
    return Claim(name or f"v{began}{place}", category, began, decided, place)


def counts(events, claims, **more):
    score = total(evaluate(events, claims, **more))
    return score.tp, score.fp, score.fn, score.duplicates


@pytest.mark.parametrize(
    ("events", "claims", "expected"),
    [
        ([event()], [claim()], (1, 0, 0, 0)),
        ([event()], [claim(120.0)], (1, 0, 0, 0)),
        ([event()], [claim(80.0)], (1, 0, 0, 0)),
        ([event()], [claim(79.9)], (0, 1, 1, 0)),
        ([event()], [claim(place=(0.6, 0.7))], (1, 0, 0, 0)),
        ([event()], [claim(place=(0.61, 0.7))], (0, 1, 1, 0)),
        ([event()], [claim(category="b")], (0, 1, 1, 0)),
        ([event()], [], (0, 0, 1, 0)),
        ([], [claim()], (0, 1, 0, 0)),
        ([], [], (0, 0, 0, 0)),
        ([event()], [claim(100.0), claim(110.0)], (1, 1, 0, 1)),
        ([event()], [claim(100.0), claim(300.0)], (1, 1, 0, 1)),
        ([event()], [claim(300.0)], (0, 1, 1, 0)),
        ([event(must=False)], [claim()], (0, 0, 0, 0)),
        ([event(must=False)], [claim(), claim(105.0)], (0, 0, 0, 0)),
        ([event(must=False)], [], (0, 0, 0, 0)),
        ([event(), event(must=False)], [claim()], (1, 0, 0, 0)),
        ([event(100.0), event(130.0)], [claim(115.0), claim(112.0)], (2, 0, 0, 0)),
    ],
)
def test_counts(events, claims, expected):
    assert counts(events, claims) == expected


def test_two_events_and_two_claims_are_paired_whatever_the_order():
    # The nearer claim of the second event is the only one that the first event may take.
    events = [event(100.0), event(112.0)]
    claims = [claim(119.0), claim(130.0)]
    assert counts(events, claims) == (2, 0, 0, 0)


@pytest.mark.parametrize(
    ("start", "began", "found"),
    [
        (0.0, 1.0, True),
        (0.0, 60.0, True),
        (0.0, 181.0, False),
        (-300.0, 5.0, True),
        (1.0, 60.0, False),
    ],
)
def test_what_was_there_before_may_take_its_dwell_limit(start, began, found):
    events = [event(start, 500.0)]
    tp = counts(events, [claim(began)], dwell_limit_s=lambda _: 180.0)[0]
    assert tp == int(found)


def test_ignored_time_is_not_judged():
    ignore = [UnjudgedSpan(90.0, 150.0)]
    assert counts([], [claim(100.0)], ignore=ignore) == (0, 0, 0, 0)
    assert counts([event(100.0)], [], ignore=ignore) == (0, 0, 0, 0)
    assert counts([event(85.0)], [claim(95.0)], ignore=ignore) == (1, 0, 0, 0)
    assert counts([], [claim(100.0)], ignore=[UnjudgedSpan(90.0, 150.0, "b")]) == (0, 1, 0, 0)


def test_pairing_is_the_best_there_is():
    random.seed(5)
    for _ in range(300):
        events = [event(random.choice((0, 10, 20, 30, 40)) * 1.0 + 100) for _ in range(3)]
        claims = [claim(100.0 + random.randrange(60), name=str(n)) for n in range(4)]
        pairs = match(events, claims, 0.0)
        got = (len(pairs), -sum(off_by(events[i], claims[j], 0.0) for i, j in pairs.items()))
        assert got == pytest.approx(_by_force(events, claims))


def _by_force(events, claims):
    best = (0, 0.0)
    options = [*range(len(claims)), *([None] * len(events))]
    for chosen in set(itertools.permutations(options, len(events))):
        offs = [
            off_by(e, claims[j], 0.0) for e, j in zip(events, chosen, strict=True) if j is not None
        ]
        if None not in offs:
            best = max(best, (len(offs), -sum(offs)))
    return best


def _files(tmp_path, truth, lines):
    (tmp_path / "t.json").write_text(json.dumps(truth))
    (tmp_path / "e.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return ["evaluate", "--truth", str(tmp_path / "t.json"), "--events", str(tmp_path / "e.jsonl")]


LINE = {
    "id": "v1",
    "revision": 1,
    "phase": "new",
    "category": "street-vendor",
    "began_s": 12.0,
    "decided_s": 252.0,
    "place": [0.5, 0.7],
}
EVENT = {
    "category": "street-vendor",
    "start_s": 10,
    "end_s": 300,
    "place": [0.5, 0.72],
    "radius": 0.05,
    "must": True,
}


def test_the_command_prints_the_table(tmp_path, capsys):
    later = {**LINE, "revision": 2, "phase": "end", "began_s": 12.0, "place": [0.9, 0.9]}
    truth = {"recording": "r", "events": [EVENT], "ignore": [[400, 500]], "duration_s": 3600}
    assert main([*_files(tmp_path, truth, [later, LINE]), "--json"]) == 0
    table = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert table["street-vendor"]["tp"] == table["all"]["tp"] == 1
    assert table["all"]["f1"] == table["all"]["precision"] == table["all"]["recall"] == 1.0
    assert table["all"]["delay_p50_s"] == pytest.approx(242.0)
    assert table["all"]["duplicates"] == 0
    assert table["all"]["false_alarms_per_hour"] == 0.0


@pytest.mark.parametrize(
    ("truth", "lines", "says"),
    [
        ({"events": [{**EVENT, "end_s": 5}]}, [LINE], "end_s"),
        ({"events": [{**EVENT, "radius": -1}]}, [LINE], "radius"),
        ({"events": "none"}, [LINE], "events"),
        ({"events": [EVENT]}, [{"id": "x"}], "category"),
        ({"events": [EVENT]}, [[1]], "line 1"),
        ([], [LINE], "must be keys"),
    ],
)
def test_wrong_input_is_one_line(tmp_path, capsys, truth, lines, says):
    assert main(_files(tmp_path, truth, lines)) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
