# SPDX-License-Identifier: AGPL-3.0-or-later
"""The form that starts a wave, and what a person typed into it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

import msgspec

from city_platform.wave_page import Shown, whole_page
from city_platform.wave_store import NoWave, WaveStore
from city_platform.wave_words import Language, word
from city_platform.waves import NOT_RISING, SHARES, Wave

FIELDS = ("name", "number", "sha256", "tenant", "tag", "shares", "failed_share", "soak_min",
          "at_most")  # fmt: skip
DEFAULTS: Mapping[str, str] = {
    "shares": " ".join(f"{share * 100:g}" for share in SHARES),
    "failed_share": "10",
    "soak_min": "30",
    "at_most": "200",
}


def begin_page(store: WaveStore, shown: Shown, typed: Mapping[str, str]) -> str:
    """The form; what was typed stays where it was refused."""
    values = {**DEFAULTS, **typed}
    tenants, tags = store.tenants_and_tags()
    choices = {"tenant": tenants, "tag": tags}
    fields = "".join(
        _choice(shown, name, choices[name], values.get(name, ""))
        if name in choices
        else _field(shown, name, values.get(name, ""))
        for name in FIELDS
    )
    grid = " checked" if typed.get("one_per_grid") else ""
    said = f'<p class="told bad" role="alert">{html.escape(shown.said)}</p>' if shown.said else ""
    body = (
        f"<h1>{shown.word('begin')}</h1>{said}<p>{shown.word('start_note')}</p>"
        f'<form class="begin" method="post" action="/waves">{fields}<label>'
        f'<input type="checkbox" name="one_per_grid"{grid}> {shown.word("one_per_grid")}</label>'
        f'<button name="what" value="start">{shown.word("begin")}</button></form>'
    )
    return whole_page(shown, "/waves?begin=1", body, None)


def _field(shown: Shown, name: str, value: str) -> str:
    asked = ' inputmode="numeric"' if name in ("number", "at_most") else ""
    told = f'<input name="{name}" value="{html.escape(value)}" required autocomplete="off"{asked}>'
    return f"<label>{shown.word(name)}{told}</label>"


def _choice(shown: Shown, name: str, choices: Iterable[str], value: str) -> str:
    options = "".join(
        f"<option{' selected' if one == value else ''}>{html.escape(one)}</option>"
        for one in choices
    )
    none = f'<option value="">{shown.word("everybody")}</option>'
    return f'<label>{shown.word(name)}<select name="{name}">{none}{options}</select></label>'


def wave_of(typed: Mapping[str, str], language: Language) -> Wave:
    """What the form says, percents and minutes as shares and seconds. Raises NoWave with a
    sentence for the person who typed it."""
    given: dict[str, object] = {name: typed.get(name, "").strip() for name in FIELDS}
    try:
        shares = [float(text) / 100 for text in str(given.pop("shares")).replace(",", " ").split()]
        told = {
            **given,
            "number": int(str(given["number"])),
            "at_most": int(str(given["at_most"])),
            "failed_share": float(str(given["failed_share"])) / 100,
            "soak_s": 60 * float(str(given.pop("soak_min"))),
            "shares": shares,
            "one_per_grid": bool(typed.get("one_per_grid")),
        }
        return msgspec.convert(told, Wave)
    except ValueError as error:
        if NOT_RISING in str(error):
            raise NoWave(str(error), "rising") from None
        raise NoWave(word("bad_field", language, field=_blamed(error, typed, language))) from None


def _blamed(error: ValueError, typed: Mapping[str, str], language: Language) -> str:
    """Which field a refusal is about: msgspec names it, a number that is none is looked for."""
    named = next((name for name in FIELDS if f"$.{name}" in str(error)), "")
    if "$.soak_s" in str(error):
        named = "soak_min"
    return word(named or _no_number(typed), language)


def _no_number(typed: Mapping[str, str]) -> str:
    for name, number in (("number", int), ("shares", float), ("failed_share", float),
                         ("soak_min", float), ("at_most", int)):  # fmt: skip
        try:
            for text in typed.get(name, "").replace(",", " ").split() or [""]:
                number(text)
        except ValueError:
            return name
    return "name"
