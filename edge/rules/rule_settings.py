# SPDX-License-Identifier: AGPL-3.0-or-later
"""One category watched by one camera, every threshold settled: shipped, city, site, in that order.

A rule kind names its own parameters in a table of `Setting`; a site sets them by name and an
unknown name or a value out of range is refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from edge.config import Camera, Category, ConfigError, Rule, When
from edge.hold import Terms
from edge.patterns import whole
from edge.values import Json

Plain = float | int | str | bool | tuple[str, ...]
T = TypeVar("T", float, str, bool, tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter of a rule kind: its value where nobody sets it, its bounds, its meaning.
    pattern: of a word, where not every word will do."""

    default: Plain
    meaning: str
    low: float = 0.0
    high: float = 1e9
    pattern: str = ""


Settings = Mapping[str, Setting]


# One span of hours or several, or nothing.
_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_SPAN = rf"{_TIME}-({_TIME}|24:00)"
HOURS = whole(rf"({_SPAN}(,{_SPAN})*)?")

# What every rule kind has that watches a place.
PLACE_SETTINGS: Mapping[str, Setting] = {
    "band": Setting(0.25, "lowest share of the box that touches the ground", 0.02, 1.0),
    "contact": Setting(0.4, "share of that band that must lie in the zone", 0.01, 1.0),
    "sure": Setting(0.5, "score that the best look at the thing must reach", 0.0, 1.0),
    "leave_s": Setting(8.0, "ground seen empty for so long ends it", 1.0, 600.0),
    "look_margin": Setting(0.35, "cosine distance of looks that is another object", 0.02, 2.0),
    "except_zones": Setting((), "zone kinds that another category looks after"),
    "remind": Setting("", "hook that reminds people before anything is reported; empty: none"),
    "remind_text": Setting(
        "此处涉嫌{category}，请尽快整改。", "words of the reminder; {category}: in Chinese"
    ),
    "remind_every_s": Setting(
        600.0, "a camera's reminder of a category is heard at most so often", 0.0, 86_400.0
    ),
    "quiet_hours": Setting(
        "", "no reminder then, such as 22:00-07:00; empty: none are quiet", pattern=HOURS
    ),
    "grace_s": Setting(120.0, "time to leave after a reminder", 0.0, 3600.0),
}


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """What a rule judges by. Seconds, shares, and sizes as multiples of the object's own size."""

    camera: str
    category: Category
    rule: str
    when: When
    zones: tuple[str, ...]
    dwell_s: float
    confirm_s: float
    realarm_s: float
    share: float
    min_score: float
    values: Mapping[str, Plain]
    grid: str | None = None
    least_of: Mapping[str, float] = field(default_factory=dict)

    def number(self, name: str) -> float:
        value = self.values[name]
        assert isinstance(value, (int, float)), name
        return float(value)

    def flag(self, name: str) -> bool:
        return bool(self.values[name])

    def word(self, name: str) -> str:
        return str(self.values[name])

    def words(self, name: str) -> tuple[str, ...]:
        value = self.values[name]
        assert isinstance(value, tuple), name
        return value

    def least(self, label: str) -> float:
        """From which score a class counts here."""
        return self.least_of.get(label, self.min_score)

    def surely(self, label: str) -> float:
        """The score that the best look must reach; lower for a class that counts from less."""
        share = self.least(label) / self.min_score if self.min_score else 1.0
        return self.number("sure") * min(1.0, share)

    def terms(self, *, dwell_s: float | None = None, gap_s: float | None = None) -> Terms:
        """The clock's terms for a place of this rule: dwell, share, window and forgiven gap."""
        return Terms(
            dwell_s=self.dwell_s if dwell_s is None else dwell_s,
            share=self.share,
            window_s=self.category.window_s,
            gap_s=self.category.gap_s if gap_s is None else gap_s,
        )

    def limits(self) -> dict[str, Json]:
        """The thresholds as they stood, for the message."""
        return {
            "dwell_s": self.dwell_s,
            "confirm_s": self.confirm_s,
            "seen_share": self.share,
            "window_s": self.category.window_s,
            "gap_s": self.category.gap_s,
            "min_score": self.min_score,
            **{name: _json(value) for name, value in self.values.items()},
        }


def _json(value: Plain) -> Json:
    return list(value) if isinstance(value, tuple) else value


def settle(camera: Camera, rule: Rule, category: Category, kind: Settings) -> RuleSettings:
    """All thresholds of one rule. Raises ConfigError naming the parameter and what is allowed.

    A rule that shortens the dwell shortens the confirmation in proportion, unless it sets it.
    """
    dwell_s = category.dwell_s if rule.dwell_s is None else rule.dwell_s
    confirm_s = rule.confirm_s
    if confirm_s is None:
        shorter = dwell_s / category.dwell_s if category.dwell_s else 1.0
        confirm_s = category.confirm_s * min(1.0, shorter)
    least = category.min_score if rule.min_score is None else rule.min_score
    return RuleSettings(
        camera=camera.id,
        category=category,
        rule=f"{category.kind}/1",
        when=rule.when,
        zones=rule.zones,
        dwell_s=dwell_s,
        confirm_s=confirm_s,
        realarm_s=category.realarm_s if rule.realarm_s is None else rule.realarm_s,
        share=category.seen_share if rule.seen_share is None else rule.seen_share,
        min_score=least,
        values=_settings(kind, category, rule),
        grid=camera.position.grid,
        least_of={name: category.least(name, least) for name in category.class_scores},
    )


def _settings(kind: Settings, category: Category, rule: Rule) -> dict[str, Plain]:
    values: dict[str, Plain] = {name: setting.default for name, setting in kind.items()}
    for source, given in ((f"category {category.id}", category.set), ("rule", rule.set)):
        for name, value in given.items():
            where = f"{source}: set.{name}"
            if name not in kind:
                raise ConfigError(f"{where}: {_unknown(name, category.kind, kind)}")
            values[name] = _checked(where, value, kind[name])
    return values


def _unknown(name: str, kind_name: str, kind: Settings) -> str:
    close = difflib.get_close_matches(name, kind, 1)
    allowed = f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(sorted(kind))}"
    return f"the rule kind {kind_name!r} has no such parameter ({allowed})"


def _checked(where: str, value: Plain, setting: Setting) -> Plain:
    default = setting.default
    if isinstance(default, bool) or isinstance(value, bool):
        if isinstance(default, bool) and isinstance(value, bool):
            return value
        raise ConfigError(f"{where} = {value!r}: expected {_kind_name(default)}")
    if isinstance(default, (int, float)) and isinstance(value, (int, float)):
        if not setting.low <= value <= setting.high:
            raise ConfigError(f"{where} = {value!r}: allowed {setting.low:g} to {setting.high:g}")
        return float(value)
    if isinstance(default, tuple) and isinstance(value, (tuple, list)):
        return tuple(str(word) for word in value)
    if isinstance(default, str) and isinstance(value, str):
        if setting.pattern and not re.search(setting.pattern, value):
            raise ConfigError(f"{where} = {value!r}: {setting.meaning}")
        return value
    raise ConfigError(f"{where} = {value!r}: expected {_kind_name(default)}")


def _kind_name(value: Plain) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    return "a list of words" if isinstance(value, tuple) else "a word"
