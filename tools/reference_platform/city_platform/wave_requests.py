# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a browser asks of the pages of waves, and what it is answered; no socket here.

/waves              every wave, the newest first
/waves/NAME         shares, stages, boxes; buttons that stop it or let it go on
/waves?begin=1      the form that starts one
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import get_args
from urllib.parse import parse_qs, quote, unquote, urlsplit

from city_platform.database import Database
from city_platform.wave_form import begin_page, wave_of
from city_platform.wave_page import Shown, list_page, wave_page
from city_platform.wave_store import NoWave, WaveStore
from city_platform.wave_words import LANGUAGES, Language, word
from city_platform.waves import BoxStage

HTML = "text/html; charset=utf-8"
PREFIX = "/waves/"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's path with its query, its cookies and the languages that its browser prefers."""

    path: str
    cookies: str = ""
    prefers: str = ""

    @property
    def query(self) -> dict[str, str]:
        found = parse_qs(urlsplit(self.path).query)
        return {name: values[0] for name, values in found.items()}

    @property
    def language(self) -> Language:
        """What was chosen now or before, else what the browser prefers, else Chinese."""
        cookies = dict(part.strip().partition("=")[::2] for part in self.cookies.split(";"))
        prefers = [part.strip()[:2].lower() for part in self.prefers.split(",")]
        wanted = (self.query.get("lang"), cookies.get("lang"), *prefers)
        return next((one for name in wanted for one in LANGUAGES if one == name), "zh")

    @property
    def wave(self) -> str:
        """The name in the path; "" for the list."""
        path = urlsplit(self.path).path
        return unquote(path.removeprefix(PREFIX)) if path.startswith(PREFIX) else ""

    def shown(self, now: float, said: str = "") -> Shown:
        """How a page for this request is made."""
        stage = self.query.get("stage", "")
        return Shown(self.language, now, stage if stage in get_args(BoxStage) else "", said)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent. to: where the browser goes next; language: what it is to remember."""

    body: str | bytes = b""
    kind: str = HTML
    status: HTTPStatus = HTTPStatus.OK
    to: str = ""
    language: str = ""


def is_wave_path(path: str) -> bool:
    """Whether these pages answer for it."""
    plain = urlsplit(path).path
    return plain == "/waves" or (plain.startswith(PREFIX) and "/" not in plain[len(PREFIX) :])


def asked_page(store: WaveStore, asked: Asked, now: float) -> Answer:
    """The list, one wave or the form."""
    shown = asked.shown(now)
    chosen = asked.language if "lang" in asked.query else ""
    if not asked.wave:
        begins = "begin" in asked.query
        text = begin_page(store, shown, {}) if begins else list_page(store, shown)
        return Answer(text, language=chosen)
    try:
        return Answer(wave_page(store, store.one(asked.wave), shown), language=chosen)
    except NoWave:
        return Answer(list_page(store, shown), status=HTTPStatus.NOT_FOUND)


def told(database: Database, asked: Asked, typed: Mapping[str, str], now: float) -> Answer:
    """A wave started, stopped or let go on, and the way to its page; or what is wrong."""
    store, what = WaveStore(database), typed.get("what", "")
    works = {"start": _start, "stop": _stop, "go": _go}
    if what not in works:
        return Answer(status=HTTPStatus.BAD_REQUEST)
    try:
        with database.transaction():
            name = works[what](store, typed, asked.language, now)
    except NoWave as error:
        return _refused(store, asked, typed, now, error)
    return Answer(status=HTTPStatus.SEE_OTHER, to=f"{PREFIX}{quote(name)}")


def _start(store: WaveStore, typed: Mapping[str, str], language: Language, now: float) -> str:
    wave = wave_of(typed, language)
    store.create(wave, now)
    return wave.name


def _stop(store: WaveStore, typed: Mapping[str, str], _language: Language, _now: float) -> str:
    store.stop(typed.get("wave", ""))
    return typed["wave"]


def _go(store: WaveStore, typed: Mapping[str, str], language: Language, now: float) -> str:
    """After a halt only with the tick that says the reasons were read."""
    row = store.one(typed.get("wave", ""))
    if row.state == "halted" and not typed.get("sure"):
        raise NoWave(word("unsure", language, field=word("sure", language)))
    store.go(row.wave.name, now)
    return row.wave.name


def _refused(
    store: WaveStore, asked: Asked, typed: Mapping[str, str], now: float, error: NoWave
) -> Answer:
    """The page that was typed on, with the sentence; a wave that is not there gives the list."""
    why = word(error.word, asked.language) if error.word else str(error)
    if typed["what"] == "start":
        said = asked.shown(now, word("bad", asked.language, why=why))
        return Answer(begin_page(store, said, typed), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        row = store.one(typed.get("wave", ""))
    except NoWave:
        return Answer(list_page(store, asked.shown(now)), status=HTTPStatus.NOT_FOUND)
    return Answer(wave_page(store, row, asked.shown(now, why)), status=HTTPStatus.CONFLICT)
