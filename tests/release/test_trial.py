# SPDX-License-Identifier: AGPL-3.0-or-later
"""A release at work: what is called fallen, what is not, and how long that takes."""

import msgspec
import pytest

from edge.release.store import InferencePace, ReleaseState, ReleaseStore
from edge.release.trial import BAD_FOR_S, WARM_UP_S, Watch, at_start

WELL = InferencePace(read_s=25.0, looks_s=5.0, age_ms=80.0)


def run(pace_at, *, baseline=None, watch_s=600.0, until=700.0, eased=False):
    """(verdict, seconds) of a trial whose cameras do what `pace_at(t)` says."""
    watch = Watch({"north": WELL} if baseline is None else baseline, 0.0, watch_s=watch_s)
    for tick in range(int(until * 4)):
        now = tick / 4
        verdict = watch.step(pace_at(now), now, eased=eased)
        if verdict != "wait":
            return verdict, now, watch.why
    return "wait", until, watch.why


def pace(**change):
    return lambda now: {
        "north": InferencePace(**{"read_s": 25.0, "looks_s": 5.0, "age_ms": 80.0, **change})
    }


def test_a_good_release_is_settled_when_the_time_is_over():
    assert run(pace())[:2] == ("settle", 600.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"looks_s": 3.9}, "3.9 looks a second, 5.0 before"),
        ({"looks_s": 0.0}, "0.0 looks"),
        ({"age_ms": 1200.0}, "judged 1200 ms old"),
    ],
)
def test_a_slow_release_is_taken_back_within_two_minutes(change, said):
    verdict, at, why = run(pace(**change))
    assert verdict is None and said in why
    assert at == WARM_UP_S + BAD_FOR_S


@pytest.mark.parametrize("change", [{"looks_s": 4.1}, {"age_ms": 900.0}, {"read_s": 12.0}])
def test_what_is_no_fall(change):
    assert run(pace(**change))[0] == "settle"


def test_a_busy_minute_is_no_verdict():
    def now_and_then(now):
        return pace(looks_s=1.0)(now) if now % 120 < 50 else pace()(now)

    assert run(now_and_then)[0] == "settle"


def test_a_camera_that_goes_down_says_nothing_about_the_model():
    """The pace is of a minute, so a stall first looks like a slow model."""

    def stalled(now):
        share = min(1.0, max(0.0, (200.0 - now) / 60 + 1)) if now > 200 else 1.0
        return {"north": InferencePace(read_s=25 * share, looks_s=5 * share, age_ms=80.0)}

    assert run(stalled)[0] == "settle"


def test_a_hot_board_is_not_held_to_its_pace():
    assert run(pace(looks_s=2.5), eased=True)[0] == "settle"


def test_a_fall_at_the_end_is_waited_out():
    def late(now):
        return pace(looks_s=1.0)(now) if now > 590 else pace()(now)

    verdict, at, _ = run(late)
    assert verdict is None and 650 <= at <= 652


def test_without_a_pace_before_being_up_is_enough():
    assert run(pace(looks_s=0.1), baseline={})[0] == "settle"


@pytest.mark.parametrize("text", [b"", b"null", b"x", b"[1]", b"2026-01-01", b"- - -", b"{"])
def test_a_manifest_that_is_none_takes_its_release_back(tmp_path, text):
    """A power cut may leave an empty file where a list of keys was."""
    folder = tmp_path / "m" / "r3"
    folder.mkdir(parents=True)
    (folder / "m.yaml").write_bytes(text)
    state = ReleaseState(current=3, seen=3)
    (tmp_path / "m" / "state.json").write_bytes(msgspec.json.encode(state))
    found = at_start(ReleaseStore(tmp_path, "m"), ())
    assert (found.current, found.last) == (0, "rolled_back")
    assert "r3/m.yaml" in found.why
