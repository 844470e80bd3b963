# SPDX-License-Identifier: AGPL-3.0-or-later
"""Changes of the site file as data: what the forms and the zone editor ask for. Pure.

Each takes the file's text and gives the new text; whether it is sound is decided by the same
check that the daemons start with. Comments, quotes and order of a hand-written file are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge.config import yamltext

Site = dict[str, Any]

# How an instrument that was just found may be judged: table of the site file, keys of the entry.
_SHOP = {"category": "shop-noise", "standard": "GB 22337"}
JUDGED: dict[str, tuple[str, dict[str, Any]]] = {
    "noise_site": ("noise", {"standard": "GB 12523", "zone_class": "site"}),
    "noise_shop_1": ("noise", {**_SHOP, "zone_class": "1"}),
    "noise_shop_2": ("noise", {**_SHOP, "zone_class": "2"}),
    "noise_shop_3": ("noise", {**_SHOP, "zone_class": "3"}),
    "noise_shop_4": ("noise", {**_SHOP, "zone_class": "4"}),
    "fume_shop": ("fume", {}),
}


def parse(text: str) -> Site:
    """The site as plain data; {} for an empty or broken file (the check will say what is wrong)."""
    try:
        found = yamltext.parse(text)
    except yamltext.BadYaml:
        return {}
    return found if isinstance(found, dict) else {}


def _edited(text: str, site: Site) -> str:
    from edge.config.yamledit import edited

    return edited(text, site)


def new_camera(name: str, source: str, shown_name: str, category: str | None) -> Site:
    """A camera as the form gives it. A file stands in for a camera on trial: it is looked at as
    fast as it can be judged, so that its violations are there at once."""
    source = source.strip()
    camera: Site = {"id": name, "source": source}
    if shown_name.strip():
        camera["name"] = shown_name.strip()
    if "://" not in source and not source.startswith(("usb:", "pipeline:")):
        camera["playback"] = "fast"
    if category:
        camera["rules"] = [{"category": category}]
    return camera


def set_camera(text: str, camera_id: str, row: Mapping[str, Any]) -> str:
    """Replace one camera's row; a kept id keeps its comments."""
    return _with_camera(text, camera_id, lambda _: dict(row))


def set_site(text: str, row: Mapping[str, Any]) -> str:
    """Replace what stands at the top of the file."""
    return _edited(text, dict(row))


def add_camera(text: str, camera: Mapping[str, Any]) -> str:
    site = parse(text)
    site["cameras"] = [*cameras(site), dict(camera)]
    return _edited(text, site)


def add_sensor(text: str, entry: Mapping[str, Any], name: str, judged_as: str) -> tuple[str, str]:
    """The text with one more instrument and, if wanted, the place where it is judged; its id."""
    site = parse(text)
    row, found = dict(entry), rows(site, "sensors")
    row["id"] = _free({str(one.get("id")) for one in found}, name or str(row.get("id", "sensor")))
    if name.strip():
        row["name"] = name.strip()
    site["sensors"] = [*found, row]
    return _edited(text, _with_place(site, row, judged_as)), str(row["id"])


def _with_place(site: Site, sensor: Mapping[str, Any], judged_as: str) -> Site:
    """The site with one more place where that instrument is judged; as it is for no such word."""
    if judged_as not in JUDGED:
        return site
    table, facts = JUDGED[judged_as]
    others = rows(site, table)
    place = _free({str(one.get("id")) for one in others}, str(sensor["id"]))
    named = {"name": sensor["name"]} if sensor.get("name") else {}
    return {**site, table: [*others, {"id": place, **named, "sensor": sensor["id"], **facts}]}


def sensor_row(entry: Mapping[str, Any]) -> Site:
    """An instrument as its form has it: kind and map as one word, nothing to be judged anew."""
    row = {key: value for key, value in entry.items() if key not in ("kind", "map")}
    words = [str(entry[key]) for key in ("kind", "map") if entry.get(key)]
    return {**row, "type": "/".join(words)} if words else row


def sensor_entry(row: Mapping[str, Any]) -> Site:
    """The entry of the site file that a row of the form means."""
    kind, _, name = str(row.get("type", "")).partition("/")
    said = {"kind": kind, "map": name}
    rest = {key: value for key, value in row.items() if key not in ("id", "type", "judged_as")}
    own = {key: value for key, value in said.items() if value}
    return {"id": row.get("id", "sensor"), **own, **rest}


def set_sensor(text: str, sensor_id: str, row: Mapping[str, Any]) -> str:
    """Replace one instrument by what its form has; where it is judged already stays."""
    site, entry = parse(text), sensor_entry({**row, "id": sensor_id})
    old = rows(site, "sensors")
    ordered = [_in_order(one, entry) if one.get("id") == sensor_id else one for one in old]
    site["sensors"] = ordered
    return _edited(text, _with_place(site, entry, str(row.get("judged_as", ""))))


def _in_order(old: Site, new: Site) -> Site:
    """The new row with the keys that it had in their order, new ones behind."""
    return {**{key: new[key] for key in old if key in new}, **new}


def remove_sensor(text: str, sensor_id: str) -> str:
    """Without an instrument and all that hangs on it: places that are judged by it, its mention at
    cameras, shops, weather and backgrounds. A shop stays, without a monitor."""
    site = parse(text)
    site["sensors"] = [one for one in rows(site, "sensors") if one.get("id") != sensor_id]
    for table in ("noise", "dust"):
        if table in site:
            site[table] = [one for one in rows(site, table) if one.get("sensor") != sensor_id]
    for table in ("noise", "dust", "fume"):
        if table in site:
            site[table] = [_without(one, sensor_id) for one in rows(site, table)]
    if "cameras" in site:
        site["cameras"] = [_unlisted(camera, sensor_id) for camera in cameras(site)]
    return _edited(text, site)


def _without(place: Site, sensor_id: str) -> Site:
    """A place that names the instrument no more."""
    names = {"sensor": "sensor", "background_sensor": "background_channel"}
    gone = {key for key in names if place.get(key) == sensor_id}
    gone |= {names[key] for key in gone}
    weather = place.get("weather")
    if isinstance(weather, dict) and weather.get("sensor") == sensor_id:
        gone.add("weather")
    return {key: value for key, value in place.items() if key not in gone}


def _unlisted(camera: Site, sensor_id: str) -> Site:
    listed = camera.get("sensors")
    if not isinstance(listed, list) or sensor_id not in listed:
        return camera
    return {**camera, "sensors": [one for one in listed if one != sensor_id]}


def rows(site: Site, key: str) -> list[Site]:
    """The mappings of a list of the site; [] where there is no such list."""
    found = site.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def remove_camera(text: str, camera_id: str) -> str:
    site = parse(text)
    site["cameras"] = [c for c in cameras(site) if c.get("id") != camera_id]
    return _edited(text, site)


def set_zones(
    text: str,
    camera_id: str,
    zones: Sequence[Mapping[str, Any]],
    rules: Sequence[Mapping[str, Any]],
) -> str:
    """Replace the zones and rules of one camera; corners are rounded to a ten-thousandth."""
    rounded = [{**z, "polygon": [[_near(x), _near(y)] for x, y in z["polygon"]]} for z in zones]
    return _with_camera(text, camera_id, lambda c: {**c, "zones": rounded, "rules": list(rules)})


def _near(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a corner is not a number")
    return round(min(1.0, max(0.0, number)), 4)


def _with_camera(text: str, camera_id: str, change: Callable[[Site], Site]) -> str:
    site = parse(text)
    site["cameras"] = [change(c) if c.get("id") == camera_id else c for c in cameras(site)]
    return _edited(text, site)


def cameras(site: Site) -> list[Site]:
    found = site.get("cameras")
    return [c for c in found if isinstance(c, dict)] if isinstance(found, list) else []


def camera_rows(site: Site) -> list[Site]:
    """The cameras as the pages show them: each has an id, and a name if only its id."""
    found = [c for c in cameras(site) if isinstance(c.get("id"), str) and c["id"]]
    return [{**c, "name": str(c.get("name") or c["id"])} for c in found]


def free_name(site: Site, wanted: str) -> str:
    """An id that no camera has yet: letters, digits, dash."""
    return _free({str(c.get("id")) for c in cameras(site)}, wanted, "camera")


def _free(taken: set[str], wanted: str, otherwise: str = "sensor") -> str:
    stem = "".join(c for c in wanted.lower() if c.isascii() and (c.isalnum() or c == "-"))[:24]
    stem = stem.strip("-") or otherwise
    number = 1
    while (name := stem if number == 1 and stem != otherwise else f"{stem}-{number}") in taken:
        number += 1
    return name
