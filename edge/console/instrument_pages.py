# SPDX-License-Identifier: AGPL-3.0-or-later
"""Setup, instruments on serial lines and TCP: found by a scan or written by hand, tried before they
are saved, changed, removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from edge.config import ConfigError
from edge.console import editing, sensing
from edge.console.drafts import Conflict
from edge.console.locating import meaning
from edge.console.probe_pages import daemon_silent
from edge.console.row_forms import EditedRow, row_page, save_row
from edge.console.services import Silent
from edge.console.settings_form import SENSOR_DEFAULTS, SENSOR_FIELDS, FormField, Row, changed
from edge.console.texts import Language, half, text
from edge.console.web import console_of, form_of, language_of, need_installer, render

NAME_MAX = 64
JUDGED = ("", *editing.JUDGED)
# A value of a running instrument that is older says nothing of how it is now.
FRESH_S = 60.0


async def ports_page(request: Request) -> Response:
    """The instruments of the site, a scan of the ports, and the way to the form."""
    return _ports(request)


def _ports(request: Request, code: int = 200, **more: Any) -> Response:
    sensors = console_of(request).reading.status("sensord").get("sensors", {})
    added = request.query_params.get("added", "")
    site = editing.parse(console_of(request).site.read().text)
    instruments = editing.rows(site, "sensors")
    facts = {
        "instruments": [_shown(one) for one in instruments],
        "states": {name: row.get("state") for name, row in sensors.items()},
        "kinds": _kinds(request, instruments),
        "judged": JUDGED,
        "added": next((_name(one) for one in instruments if one.get("id") == added), ""),
        "meant": None,
        "error": None,
    }
    return render(request, "instruments.html", code, **{**facts, **more})


def _shown(row: Mapping[str, Any]) -> dict[str, str]:
    """An instrument as the list has it, whatever is missing in a file written by hand."""
    facts = {"name": _name(row), "type": str(editing.sensor_row(row).get("type", ""))}
    return {**facts, **{key: str(row.get(key) or "") for key in ("id", "port")}}


def _name(row: Mapping[str, Any]) -> str:
    return str(row.get("name") or row.get("id"))


def _kinds(request: Request, instruments: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Name of each kind of instrument, those that only this site has by their own word."""
    used = {str(editing.sensor_row(one).get("type", "")) for one in instruments} - {""}
    language, known = language_of(request), console_of(request).services.instruments()
    named = {word: half(name, language) for word, name in known.items()}
    if language == "zh":
        # Two makers' instruments may have one Chinese name; the map's own tells them apart.
        named = {word: f"{name} · {word.rpartition('/')[2]}" for word, name in named.items()}
    return {**{word: word for word in sorted(used)}, **named}


async def scan_ports(request: Request) -> Response:
    """What answers on each serial port, with the lines that would put it into the site file."""
    await form_of(request)
    need_installer(request)
    language = language_of(request)
    try:
        ports = await run_in_threadpool(console_of(request).services.scan_ports)
    except Silent:
        return daemon_silent(language)
    lines = [line for port in ports for line in _port_lines(port, language)]
    nothing = {"level": "remark", "found": text("ports_none", language)}
    return JSONResponse({"lines": lines or [nothing]})


def _port_lines(port: Mapping[str, Any], language: Language) -> list[dict[str, str]]:
    where = str(port["port"])
    if port.get("error"):
        return [{"level": "remark", "found": f"{where}: {port['error']}"}]
    if not port["found"]:
        return [{"level": "remark", "found": f"{where}: {text('port_quiet', language)}"}]
    return [
        {
            "level": "well",
            "found": f"{where}: {row['name']} · {row['values']}",
            "snippet": row["snippet"],
        }
        for row in port["found"]
    ]


async def add_sensor(request: Request) -> Response:
    """One instrument that a scan found, into the site file, with where it is judged."""
    console, form = console_of(request), await form_of(request)
    session, language = need_installer(request), language_of(request)
    saved = console.site.read()
    found = editing.parse(form.get("snippet", "")[:4000]).get("sensors")
    if not (isinstance(found, list) and len(found) == 1 and isinstance(found[0], dict)):
        return JSONResponse({"said": text("sensor_no_entry", language)}, 422)
    name = form.get("name", "").strip()[:64]
    changed, made = editing.add_sensor(saved.text, found[0], name, form.get("judged_as", ""))
    try:
        await run_in_threadpool(console.site.save, changed, saved.version, session.name)
    except ConfigError as error:
        said = text(meaning(str(error)), language)
        return JSONResponse({"said": said, "error": str(error)}, 422)
    except Conflict:
        return JSONResponse({"said": text("again", language)}, 409)
    console.accounts.audit(session.name, "sensor added", sensor=made)
    return JSONResponse({"said": text("sensor_added", language, name=name or made)})


def _form(request: Request, row: Row, path: str, put: Any) -> EditedRow:
    """The form of an instrument with the choices of this box."""
    language = language_of(request)
    site = editing.parse(console_of(request).site.read().text)
    kinds = _kinds(request, [editing.sensor_entry(row)] if row.get("type") else [])
    cameras = {str(one["id"]): one["name"] for one in editing.camera_rows(site)}
    labels: dict[str, dict[str, str]] = {
        "type": kinds,
        "judged_as": {one: text(f"judged_{one or 'not'}", language) for one in JUDGED},
        "camera": {"": text("no_choice", language), **cameras},
        "parity": {"": text("as_instrument", language), "N": "8N1", "E": "8E1", "O": "8O1"},
    }
    if row.get("id"):
        labels["judged_as"][""] = text("judged_as_it_is", language)
    known = {str(one.get("port")) for one in editing.rows(site, "sensors") if one.get("port")}
    fields = tuple(_chosen(field, labels) for field in SENSOR_FIELDS)
    facts = {"labels": labels, "ports": sorted(known)}
    return EditedRow("instrument.html", "sensors", path, fields, SENSOR_DEFAULTS, put, row, facts)


def _chosen(field: FormField, labels: Mapping[str, Mapping[str, str]]) -> FormField:
    return replace(field, choices=tuple(labels[field.name])) if field.name in labels else field


def _new(request: Request) -> EditedRow:
    return _form(request, {}, "/setup/sensor", editing.set_sensor)


def _known(request: Request) -> EditedRow | None:
    name = str(request.path_params["sensor"])
    found = _entry(request, name)
    if not found:
        return None

    def put(whole: str, row: Row) -> str:
        return editing.set_sensor(whole, name, row)

    return _form(request, editing.sensor_row(found), f"/setup/sensors/{name}", put)


def _entry(request: Request, name: str) -> Row:
    """The instrument as the site file has it; {} where there is none of that id."""
    site = editing.parse(console_of(request).site.read().text)
    return next((row for row in editing.rows(site, "sensors") if row.get("id") == name), {})


async def new_page(request: Request) -> Response:
    return row_page(request, _new(request))


async def instrument_page(request: Request) -> Response:
    return row_page(request, _known(request), gone="sensor_missing")


async def save_instrument(request: Request) -> Response:
    """One instrument as the form has it; what the form does not show stays. By an installer."""
    return await save_row(request, _known, "sensor", gone="sensor_missing")


async def add_by_hand(request: Request) -> Response:
    """One more instrument as it was written down. By an installer."""
    console, form = console_of(request), await form_of(request)
    session, about = need_installer(request), _new(request)
    saved = console.site.read()
    row, _ = changed({}, form, about.fields, about.defaults)
    given = {field.name: form.get(field.name, "") for field in about.fields}
    name = str(row.get("name", ""))[:NAME_MAX]
    judged_as = str(row.get("judged_as", ""))
    whole, made = editing.add_sensor(saved.text, editing.sensor_entry(row), name, judged_as)
    try:
        await run_in_threadpool(console.site.save, whole, saved.version, session.name)
    except ConfigError as error:
        said = str(error)
        return row_page(request, about, 422, given=given, error=said, meant=meaning(said))
    except Conflict:
        return row_page(request, about, 409, given=given, meant="again")
    console.accounts.audit(session.name, "sensor added", sensor=made)
    return RedirectResponse(f"/setup/ports?added={made}", 303)


async def remove(request: Request) -> Response:
    """Takes an instrument out of the site file with what is judged by it. By an installer."""
    console, form = console_of(request), await form_of(request)
    session = need_installer(request)
    saved, name = console.site.read(), form.get("sensor", "")
    if not _entry(request, name):
        return _ports(request, 409, meant="sensor_missing")
    whole = editing.remove_sensor(saved.text, name)
    try:
        await run_in_threadpool(console.site.save, whole, saved.version, session.name)
    except ConfigError as error:
        return _ports(request, 422, error=str(error), meant=meaning(str(error)))
    except Conflict:
        return _ports(request, 409, meant="again")
    console.accounts.audit(session.name, "sensor removed", sensor=name)
    return RedirectResponse("/setup/ports", 303)


async def try_live(request: Request) -> Response:
    """What comes from an instrument as the form has it, in one sentence. By an installer."""
    console, form = console_of(request), await form_of(request)
    need_installer(request)
    language, old = language_of(request), _entry(request, form.get("sensor", ""))
    row, _ = changed(editing.sensor_row(old), form, SENSOR_FIELDS, SENSOR_DEFAULTS)
    entry = editing.sensor_entry(row)
    try:
        found = await run_in_threadpool(console.services.try_sensor, entry)
    except Silent:
        return daemon_silent(language)
    if found.get("error"):
        return JSONResponse({"said": text("tried_busy", language)}, 422)
    cause, words = str(found["cause"]), _came(found, language)
    if cause == "held":
        cause, words = _held(request, entry, language)
    said = text(f"tried_{cause}", language, **words)
    error = str(found.get("told", "")) if cause == "config" else ""
    answer = {"said": said, "error": error, "ports": list(found.get("ports", ()))}
    return JSONResponse(answer, 200 if cause in ("well", "running") else 422)


def _came(found: Mapping[str, Any], language: Language) -> dict[str, str]:
    """The words of the sentence: values by the names that people use, what the port said."""
    values = [_value(*row, language=language) for row in found.get("values", ())]
    there = text("list_comma", language).join(found.get("ports", ())) or text("none", language)
    return {
        "values": text("list_comma", language).join(values),
        "told": str(found.get("told", "")),
        "ports": there,
    }


def _value(channel: str, value: Any, unit: str, *, language: Language) -> str:
    shown = f"{value:.4g}" if isinstance(value, (int, float)) else str(value)
    unit = "dB(A)" if unit == "dB" else unit
    return f"{sensing.channel_name(channel, language)} {shown} {unit}".strip()


def _held(
    request: Request, entry: Mapping[str, Any], language: Language
) -> tuple[str, dict[str, str]]:
    """Of a port that edge-sensord reads already: what this very instrument says there, else who
    has it."""
    latest = sensing.Sensing(console_of(request).reading).latest(str(entry["id"]))
    rows = [
        [channel, row["value"], row.get("unit", "")]
        for channel, row in latest.get("channels", {}).items()
        if row["age_s"] < FRESH_S and row.get("flag") == "ok"
    ]
    if rows:
        return "running", _came({"values": rows}, language)
    status = console_of(request).reading.status("sensord").get("sensors", {})
    names = [row.get("name") or name for name, row in status.items()
             if row.get("port") == entry.get("port")]  # fmt: skip
    return "held", {"name": text("list_comma", language).join(names)}


PAGES = {
    "/setup/ports": ports_page,
    "/setup/sensor": new_page,
    "/setup/sensors/{sensor}": instrument_page,
}
ACTIONS = {
    "/setup/ports/scan": scan_ports,
    "/setup/sensors": add_sensor,
    "/setup/sensor": add_by_hand,
    "/setup/sensor/try": try_live,
    "/setup/sensor/remove": remove,
    "/setup/sensors/{sensor}": save_instrument,
}
