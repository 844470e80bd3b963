# SPDX-License-Identifier: AGPL-3.0-or-later
"""The life of a case that stays where it is: standing, decided, reported again, ended.

Rule kinds say what stands (`subjects`), what counts as seen (`shows`) and what else must be true
(`proven`); this class owns the places, their clocks and the findings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import msgspec

from edge.geometry import distance, size_of
from edge.hold import WATCHED_S, Hold, Sight
from edge.rules.reporting import place_candidate, place_facts, place_finding, place_prompt
from edge.rules.rule_settings import PLACE_SETTINGS, RuleSettings, Setting, Settings
from edge.rules.snapshots import SpotSnapshot
from edge.rules.spot import (
    CHANGED,
    SAME,
    Spot,
    alike,
    assign,
    blended,
    duplicate,
    new_spot,
    patch_of,
    unlike,
)
from edge.rules.view import Open, SceneView, Verdicts, standing_by
from edge.rules.zones import ZoneRule, ZoneVerdict, quiet_hours, reread, when_fits
from edge.values import Finding, Json, Phase, Track

# What has not moved for so long stands.
SETTLE_S = 1.0
# A clock that runs for less shows no candidate: most of them come to nothing.
SHOW_AFTER_S = 3.0
# Another object seen at the place for so long ends the case; for less, a passer-by was in front.
RIVAL_S = 3.0
# Looks, patches and tallies are taken this often; between them a place hardly changes.
ASK_EVERY_S = 1.0
# From this share of its box covered, a thing cannot be seen: its absence says nothing.
FRONT_SHARE = 0.5
# A known place is kept by boxes of this share of the score that would start a new one.
KEEP_SCORE = 0.6
# An open case follows its own track by at most so many of its sizes.
FOLLOW_SIZES = 1.5
# In the place of "left" and "stayed": the hook failed, so nobody was reminded.
FAILED = "failed"


class PlaceRule:
    """Base of the rule kinds that watch a place. One owner: the judge."""

    SETTINGS: ClassVar[Mapping[str, Setting]] = PLACE_SETTINGS
    WITH_FILE: ClassVar[bool] = False
    FROM_PICTURES: ClassVar[bool] = False
    FAINT: ClassVar[bool] = False
    BRIEF: ClassVar[bool] = False
    LOOK_S: ClassVar[float] = 1.0

    def __init__(self, settings: RuleSettings, zones: ZoneRule) -> None:
        self.settings, self._zones = settings, zones
        self._spots: list[Spot] = []
        self._refused: dict[int, float] = {}
        self._reminded_mono = -1e18
        self._quiet = quiet_hours(settings.word("quiet_hours"))

    # What a kind may say otherwise.

    def subjects(self, view: SceneView) -> list[Track]:
        """The tracks that may stand here, weak ones included: they keep a place, but start none."""
        settings, classes = self.settings, self.settings.category.classes
        if not settings.category.class_scores:
            return view.of(classes, settings.min_score * KEEP_SCORE)
        return [t for name in classes for t in view.of((name,), settings.least(name) * KEEP_SCORE)]

    def shows(self, view: SceneView, spot: Spot, track: Track) -> Sight:
        """What this look at the thing says of the offence."""
        return "seen"

    def observe(self, view: SceneView, spot: Spot, passed: float) -> None:
        """Tally what else is worth knowing; about once a second while the place is seen."""

    def proven(self, view: SceneView, spot: Spot) -> bool:
        """What must be true beside the clock."""
        return True

    def facts(self, view: SceneView, spot: Spot) -> dict[str, Json]:
        return {}

    def subject_of(self, spot: Spot) -> int | None:
        """The truck that caused it, by edge.rules.view's number, where one did."""
        return None

    def stands(self, view: SceneView, track: Track) -> bool:
        """Whether a track not yet placed stands still, long enough to be worth a place."""
        course = view.motion.course(track)
        if course is None or view.moving(track):
            return False
        return view.mono - course.came[0] >= SETTLE_S

    # The step.

    @property
    def busy(self) -> bool:
        return bool(self._spots)

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(spot.key for spot in self._spots)

    @property
    def searching(self) -> bool:
        return any(s.hold.unseen_s > 0.0 or s.hold.hidden_s > 0.0 for s in self._spots)

    def step(self, view: SceneView, out: Verdicts) -> None:
        """One look at all places: who stands where, who left, what is new, what is due."""
        in_hours = when_fits(self.settings.when, view.moment)
        self._spots = [s for s in self._spots if self._vouched_for(view, s, out)]
        placed, free = self._assign(view, self.subjects(view))
        for index, spot in enumerate(self._spots):
            self._look(view, spot, placed.get(index))
        self._follow(view, free)
        if in_hours and free:
            self._start(view, [t for t in free if self._worth_a_place(view, t, placed)])
        self._spots = [s for s in self._spots if self._alive(view, s, in_hours, out)]

    def _vouched_for(self, view: SceneView, spot: Spot, out: Verdicts) -> bool:
        """After an outage as after a restart (`restore`): an open case goes on, all else starts
        afresh. Whether somebody who was reminded left, nobody saw."""
        if spot.state == "open" or not spot.hold.lapsed(view.mono):
            return True
        spot.state = "standing"
        return self._over(view, spot, "not watched", out)

    def _assign(self, view: SceneView, tracks: list[Track]) -> tuple[dict[int, Track], list[Track]]:
        return assign(view, self._spots, tracks)

    def _look(self, view: SceneView, spot: Spot, track: Track | None) -> None:
        passed = min(view.mono - spot.hold.now, WATCHED_S)
        if track is None:
            sight = self._absence(view, spot, passed)
        elif self._is_rival(spot, track, passed):
            sight = "hidden"
        else:
            sight = self._presence(view, spot, track, passed)
        spot.hold.step(view.mono, sight)

    def _presence(self, view: SceneView, spot: Spot, track: Track, passed: float) -> Sight:
        if spot.hold.unseen_s > 2.5 or spot.hold.hidden_s > 2.5:
            spot.gaps += 1
        if spot.track is not None and spot.track.id != track.id:
            spot.ids += 1
        spot.track, spot.box, spot.seen = track, track.box, view.now
        spot.score = max(spot.score, track.score)
        spot.empty_s, spot.rival_s = 0.0, None
        spot.tally("seen", passed)
        since = view.mono - spot.asked_mono
        if since >= ASK_EVERY_S or spot.asked_mono < 0.0:
            spot.asked_mono = view.mono
            spot.remember_look(track.look)
            self._remember_patch(view, spot)
            self.observe(view, spot, min(since, WATCHED_S))
        return self.shows(view, spot, track)

    def _remember_patch(self, view: SceneView, spot: Spot) -> None:
        if view.scene.image is None:
            return
        patch = patch_of(view.scene.image, spot.home)
        if patch is not None:
            spot.patch = patch if spot.patch is None else blended(spot.patch, patch, 0.3)

    def _is_rival(self, spot: Spot, track: Track, passed: float) -> bool:
        """Another id that looks otherwise, for a while: not ours coming back, but someone else."""
        known = spot.track is not None and spot.track.id == track.id and spot.rival_s is None
        if known or unlike(spot.look, track.look) <= self.settings.number("look_margin"):
            return False
        # When it came since the look before, nobody knows: its first look counts for nothing.
        seen_s = passed if spot.rival_s is not None and passed < WATCHED_S else 0.0
        spot.rival_s = (spot.rival_s or 0.0) + seen_s
        return True

    def _absence(self, view: SceneView, spot: Spot, passed: float) -> Sight:
        if view.covered(spot.home) >= FRONT_SHARE:
            return "hidden"
        likeness = self._likeness(view, spot)
        if likeness is not None and likeness >= SAME:
            spot.empty_s, spot.rival_s = 0.0, None
            return "kept"
        if self._departed(view, spot) or (likeness is not None and likeness < CHANGED):
            spot.empty_s += passed
        return "missed"

    def _likeness(self, view: SceneView, spot: Spot) -> float | None:
        if spot.patch is None or view.scene.image is None:
            return None
        patch = patch_of(view.scene.image, spot.home)
        return alike(spot.patch, patch) if patch is not None else None

    def _departed(self, view: SceneView, spot: Spot) -> bool:
        """Its own track is in view and stands or moves elsewhere: the ground here is free."""
        if spot.track is None:
            return False
        for track in view.scene.tracks:
            if track.id == spot.track.id:
                return not track.coasted and spot.fits(track, view.aspect) < 0.0
        return spot.empty_s > 0.0

    def _follow(self, view: SceneView, free: list[Track]) -> None:
        """An open case whose subject shuffled a step aside is the same case."""
        for spot in self._spots:
            if spot.state != "open" or spot.track is None:
                continue
            for track in free:
                near = distance(spot.anchor, track.foot, view.aspect) <= FOLLOW_SIZES * spot.size
                if track.id == spot.track.id and near and self.stands(view, track):
                    self._settle(view, spot, track)
                    free.remove(track)
                    break

    def _worth_a_place(self, view: SceneView, track: Track, placed: Mapping[int, Track]) -> bool:
        """Sure, standing, not asked about a moment ago, and not a second box on a placed thing."""
        if view.mono - self._refused.get(track.id, -1e9) < ASK_EVERY_S:
            return False
        sure = track.score >= self.settings.least(track.label) and self.stands(view, track)
        return sure and not duplicate(self._spots, track, placed)

    def _start(self, view: SceneView, fresh: list[Track]) -> None:
        if not fresh:
            return
        if len(self._refused) > 200:
            self._refused.clear()
        shares = view.shares([t.box for t in fresh], self.settings.number("band"))
        for track, row in zip(fresh, shares.tolist(), strict=True):
            verdict = self._zones.ask(row, view.moment)
            if verdict.judged:
                self._spots.append(
                    new_spot(view, self._name, self.settings.terms(), track, verdict)
                )
            else:
                self._refused[track.id] = view.mono

    @property
    def _name(self) -> str:
        return f"{self.settings.camera}/{self.settings.category.id}"

    def _settle(self, view: SceneView, spot: Spot, track: Track) -> None:
        """Anchor the place anew where its subject stands now."""
        spot.anchor, spot.home, spot.patch = track.foot, track.box, None
        spot.size = size_of(track.box, view.aspect)
        spot.hold.step(view.mono, self._presence(view, spot, track, 0.0))

    # Deciding.

    def _alive(self, view: SceneView, spot: Spot, in_hours: bool, out: Verdicts) -> bool:
        """Move the case on; false where the place is to be forgotten."""
        if spot.rival_s is not None and spot.rival_s >= RIVAL_S - 1e-6:
            return self._over(view, spot, "another object stands there", out)
        if spot.hold.gone:
            return self._over(view, spot, "gone", out)
        if spot.empty_s >= self.settings.number("leave_s"):
            return self._over(view, spot, "seen empty", out)
        if not in_hours:
            return self._over(view, spot, "outside the rule's hours", out)
        verdict = self._ask_zones(view, spot)
        if not verdict.judged:
            return self._over(view, spot, "outside every zone", out)
        if verdict.decision.allowed:
            return self._allowed(view, spot, out)
        self._advance(view, spot, out)
        return True

    def _ask_zones(self, view: SceneView, spot: Spot) -> ZoneVerdict:
        if spot.minute != view.moment.minute:
            spot.minute = view.moment.minute
            row = view.shares([spot.home], self.settings.number("band"))[0].tolist()
            spot.verdict = self._zones.ask(row, view.moment)
        return spot.verdict

    def _allowed(self, view: SceneView, spot: Spot, out: Verdicts) -> bool:
        """Lawful here and now: counted once it has stayed, its clock starts when that ends."""
        decision = spot.verdict.decision
        if spot.state == "open":
            self._over(view, spot, f"allowed now: {decision.reason}", out)
            spot.state, spot.decided = "standing", None
        if not spot.suppressed and spot.hold.held_for(self.settings.dwell_s):
            spot.suppressed = True
            view.memory.suppressed(self.settings.category.id, " ".join(decision.zones))
        spot.allowed = True
        return True

    def _restart(self, view: SceneView, spot: Spot) -> None:
        """The offence begins now, though the thing has stood here for longer."""
        spot.allowed = spot.suppressed = False
        spot.began, spot.hold = view.now, Hold(self.settings.terms(), view.mono)
        spot.key = f"{spot.key.rsplit('/', 1)[0]}/{view.now.wall:.3f}"

    def _advance(self, view: SceneView, spot: Spot, out: Verdicts) -> None:
        settings = self.settings
        if spot.allowed:
            self._restart(view, spot)
        due_s = settings.dwell_s + settings.confirm_s
        if spot.state == "open":
            if view.mono - spot.reported_mono >= settings.realarm_s and spot.hold.unseen_s == 0.0:
                spot.reported_mono = view.mono
                out.findings.append(self._finding(view, spot, "update"))
            return
        sure = spot.score >= settings.surely(spot.label)
        if sure and spot.hold.held_for(due_s) and self.proven(view, spot):
            self._decide(view, spot, out)
        elif spot.hold.held_s >= min(SHOW_AFTER_S, due_s):
            out.candidates.append(place_candidate(self.settings, spot, due_s))

    def _decide(self, view: SceneView, spot: Spot, out: Verdicts) -> None:
        hook = self._hook(view, spot)
        if hook and spot.state == "standing":
            spot.state, spot.reported_mono, spot.reminded = "reminded", view.mono, "stayed"
            if view.mono - self._reminded_mono >= self.settings.number("remind_every_s"):
                self._reminded_mono = view.mono
                out.prompts.append(place_prompt(view, self.settings, spot, hook))
        elif not hook or spot.reminded == FAILED or self._grace_is_over(view, spot):
            self._open(view, spot, out)
            return
        due_s = spot.hold.held_s + self.settings.number("grace_s")
        out.candidates.append(place_candidate(self.settings, spot, due_s))

    def not_reminded(self, key: str) -> None:
        """The hook of the prompt `key` failed: who counted as reminded by it was not, and is
        reported as where there is no hook; the next reminder need not wait."""
        failed = next((s for s in self._spots if s.key == key and s.state == "reminded"), None)
        if failed is None:
            return
        self._reminded_mono = -1e18
        for spot in self._spots:
            if spot.state == "reminded" and spot.reported_mono >= failed.reported_mono:
                spot.reminded = FAILED

    def _hook(self, view: SceneView, spot: Spot) -> str:
        """Who reminds people; nobody in quiet hours, where it was not done before them."""
        if spot.state == "reminded" or not when_fits(self._quiet, view.moment):
            return self.settings.word("remind")
        return ""

    def _grace_is_over(self, view: SceneView, spot: Spot) -> bool:
        return view.mono - spot.reported_mono >= self.settings.number("grace_s")

    def _open(self, view: SceneView, spot: Spot, out: Verdicts) -> None:
        settings = self.settings
        spot.began = reread(spot.began, view.now)
        spot.state, spot.decided, spot.reported_mono = "open", view.now, view.mono
        grid = self._zones.grid_of(spot.verdict.decision) or settings.grid
        case = Open(grid or "", settings.category.id, spot.box, self.subject_of(spot))
        past = view.memory.opened(
            spot.key, case, spot.anchor, size=spot.size, aspect=view.aspect, now=view.now
        )
        spot.occurrence = past.count
        back_s = view.now.wall - past.ended_wall
        facts: dict[str, Json] = {}
        if past.key and 0.0 <= back_s <= settings.category.reopen_s:
            facts |= {"reopened_after_s": round(back_s, 1), "previous": past.key}
        finding = self._finding(view, spot, "new", **facts)
        parent = view.memory.cause_of(spot.key, case)
        out.findings.append(replace(finding, parent=parent))

    def _over(self, view: SceneView, spot: Spot, why: str, out: Verdicts) -> bool:
        """The place is free, or another's: close what was open. Always false."""
        if spot.state == "reminded" and spot.reminded == FAILED:
            self._open(view, spot, out)
        elif spot.state == "reminded":
            spot.outcome, spot.reminded = "self_corrected", "left"
            self._open(view, spot, out)
            out.findings[-1] = replace(out.findings[-1], priority="lead")
        if spot.state == "open":
            view.memory.ended(spot.key, view.now)
            out.findings.append(self._finding(view, spot, "end", ended_because=why))
        return False

    def _finding(self, view: SceneView, spot: Spot, phase: Phase, **more: Json) -> Finding:
        grid = self._zones.grid_of(spot.verdict.decision) or self.settings.grid
        facts = place_facts(view, self.settings, spot, grid) | self.facts(view, spot) | more
        return place_finding(view, self.settings, spot, phase, facts)

    def finish(self, view: SceneView, out: Verdicts) -> None:
        """The recording ends: what is open is reported once more, as still there."""
        for spot in self._spots:
            if spot.state == "open":
                finding = self._finding(view, spot, "end", still_there=spot.hold.unseen_s == 0.0)
                out.findings.append(replace(finding, ended=None))
                view.memory.ended(spot.key, view.now)
        self._spots = []

    def snapshot(self) -> Json:
        return msgspec.to_builtins([spot.snapshot() for spot in self._spots])

    def restore(self, data: Any, shift_s: float, down_s: float) -> None:
        """Places as they stood; what nobody watched for too long starts afresh when seen again."""
        terms = self.settings.terms()
        kept = msgspec.convert(data, tuple[SpotSnapshot, ...])
        spots = [Spot.restore(row, terms, shift_s) for row in kept]
        self._spots = [s for s in spots if s.state == "open" or down_s <= terms.hidden_s]


class Occupation(PlaceRule):
    """Something stands where it must not: stalls, goods before shops, piles, parked cars.

    What nobody tends is no vending: with `attended_share` above 0 people must have stood by for
    that share of the time (an abandoned cart is a matter for another category).
    """

    SETTINGS: ClassVar[Settings] = {
        **PLACE_SETTINGS,
        "attended_share": Setting(0.0, "share of the time that people stand by", 0.0, 1.0),
        "reach": Setting(0.5, "standing by: so many times the object's size away", 0.0, 10.0),
    }

    def observe(self, view: SceneView, spot: Spot, passed: float) -> None:
        if standing_by(view, spot.box, self.settings.number("reach") * spot.size):
            spot.tally("attended", passed)

    def proven(self, view: SceneView, spot: Spot) -> bool:
        return spot.tally_share("attended") >= self.settings.number("attended_share")

    def facts(self, view: SceneView, spot: Spot) -> dict[str, Json]:
        return {"attended_share": round(spot.tally_share("attended"), 3)}
