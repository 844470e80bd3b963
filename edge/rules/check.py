# SPDX-License-Identifier: AGPL-3.0-or-later
"""What only the whole shows: zones, rules, categories and model against each other."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edge.clock import calendar_day
from edge.config import Camera, Category, ConfigError, Rule, Site, When, Zone
from edge.geometry import area, self_crossing
from edge.rules.judge import RULES, rule_kind, with_file
from edge.rules.rule_settings import RuleSettings, settle

TINY = 1e-5
NEVER_ASKED = ("mask", "permitted")


def check_site(
    site: Site,
    camera: Camera,
    categories: Mapping[str, Category],
    model_names: Collection[str],
    where: str = "site",
) -> tuple[str, ...]:
    """Check one camera of a site against the categories and its model's classes.

    Returns remarks worth showing (a class that the model lacks though others stand in for it).
    Raises ConfigError: one line with file, camera, key, value and what is allowed.
    """
    check_timezone(site.timezone, where)
    here = f"{where}: camera {camera.id}"
    _unique([zone.id for zone in camera.zones], f"{here}: zones")
    for zone in camera.zones:
        _check_zone(zone, categories, f"{here}: zone {zone.id}")
    remarks: list[str] = []
    for i, rule in enumerate(camera.rules):
        at = f"{here}: rules[{i}]"
        settings = _rule_settings(camera, rule, categories, at)
        _check_when(rule.when, at)
        _check_zones_of(camera, rule, settings.category, at)
        remarks += _check_classes(settings, model_names, at)
    return tuple(remarks)


def check_timezone(name: str, where: str) -> ZoneInfo:
    """The time zone of that name. Raises ConfigError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(
            f"{where}: timezone = {name!r}: not a name of the IANA list, such as Asia/Shanghai"
        ) from None


def _unique(names: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(f"{where}: id {name!r} stands twice")
        seen.add(name)


def _check_zone(zone: Zone, categories: Mapping[str, Category], where: str) -> None:
    for x, y in zone.polygon:
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            raise ConfigError(
                f"{where}: polygon corner [{x:g}, {y:g}] lies outside the picture; "
                "corners are fractions, 0 to 1"
            )
    if self_crossing(zone.polygon):
        raise ConfigError(f"{where}: polygon crosses itself; name the corners in order round it")
    if area(zone.polygon) < TINY:
        raise ConfigError(f"{where}: polygon has no area; its corners lie on one line")
    for name in zone.categories:
        _known(name, categories, f"{where}: categories")
    _check_when(zone.when, where)


def _known(name: str, categories: Mapping[str, Category], where: str) -> Category:
    if name in categories:
        return categories[name]
    close = difflib.get_close_matches(name, categories, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(categories)}"
    raise ConfigError(f"{where}: category {name!r} is unknown ({hint})")


def _rule_settings(
    camera: Camera, rule: Rule, categories: Mapping[str, Category], where: str
) -> RuleSettings:
    category = _known(rule.category, categories, where)
    try:
        return settle(camera, rule, category, rule_kind(category).SETTINGS)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _check_when(when: When, where: str) -> None:
    for key in ("from_date", "to_date"):
        text = getattr(when, key)
        try:
            calendar_day(text or "2000-01-01")
        except ValueError:
            raise ConfigError(f"{where}: when.{key} = {text!r} is not a day") from None
    if when.from_date and when.to_date and when.from_date > when.to_date:
        raise ConfigError(f"{where}: when.from_date {when.from_date} is after {when.to_date}")
    for text in when.season or ():
        try:
            # A leap year, so that 02-29 is a day: a season may end on it in any year.
            calendar_day(f"2024-{text}")
        except ValueError:
            raise ConfigError(f"{where}: when.season: {text!r} is not a day of the year") from None


def _check_zones_of(camera: Camera, rule: Rule, category: Category, where: str) -> None:
    kinds = {zone.id: zone.kind for zone in camera.zones}
    for name in rule.zones:
        if name not in kinds:
            allowed = ", ".join(kinds) or "this camera has none"
            raise ConfigError(f"{where}: zones: {name!r} is not a zone here (allowed: {allowed})")
        if kinds[name] in NEVER_ASKED:
            raise ConfigError(f"{where}: zones: {name!r} is a {kinds[name]} zone, never judged")
    asked = [zone for zone in camera.zones if zone.kind in category.zone_kinds]
    drawn = [zone for zone in camera.zones if zone.kind != "mask"]
    if not rule.zones and drawn and not asked:
        raise ConfigError(
            f"{where}: {rule.category} needs a zone of kind {' or '.join(category.zone_kinds)}, "
            f"and camera {camera.id} has none"
        )


def _check_classes(settings: RuleSettings, names: Collection[str], where: str) -> list[str]:
    category = settings.category
    lacking = [name for name in category.classes if name not in names]
    if lacking and len(lacking) == len(category.classes):
        raise ConfigError(
            f"{where}: {category.id} needs class {' or '.join(map(repr, lacking))}, which the "
            f"model lacks (it knows: {', '.join(names)})"
        )
    if settings.values.get("attended_share") and "person" not in names:
        raise ConfigError(
            f"{where}: {category.id} asks for people standing by (set.attended_share), and the "
            "model has no class 'person'; set it to 0"
        )
    lacking += [name for name in category.with_classes if name not in names]
    return [f"{where}: {category.id}: the model has no class {name!r}" for name in lacking]


def on_trial(categories: Mapping[str, Category], names: Collection[str]) -> tuple[Rule, ...]:
    """Rules for a camera without any: everything that its model can see and that asks for no
    ground or file of its own (a frontage, a gate, the muck-truck file). With no zone drawn, the
    whole frame is judged."""
    return tuple(
        Rule(category=category.id)
        for category in categories.values()
        if category.kind in RULES
        and category.on_trial
        and not with_file(category)
        and set(category.classes) & set(names)
        and not {"frontage", "gate"} & set(category.zone_kinds)
        and not category.set.get("trait")
    )
