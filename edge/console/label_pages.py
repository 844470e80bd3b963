# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page Labels: crops that the box is least sure of, one at a time, for a person's word.

Twenty a day are asked for; what is said teaches the next training (edge harvest, tools/dataset),
never a case.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from edge.console.clock import clock_of
from edge.console.facts import CLASSES
from edge.console.web import console_of, form_of, language_of, render
from edge.learning.labels import (
    ANSWERS,
    DAILY,
    CropLabel,
    KeptCrop,
    drawn,
    keep_label,
    read_labels,
    waiting,
)
from edge.values import Box


def _state(request: Request) -> Path:
    return console_of(request).reading.state


def _queue(request: Request) -> tuple[list[KeptCrop], dict[str, CropLabel], int]:
    """(crops that wait, every word so far, how many words were given today)."""
    state, now_s = _state(request), time.time()
    labels, zone = read_labels(state), clock_of(console_of(request)).zone
    midnight = datetime.fromtimestamp(now_s, zone).replace(hour=0, minute=0, second=0)
    today = sum(label.at_s >= midnight.timestamp() for label in labels.values())
    return waiting(state, labels, now_s=now_s), labels, today


def _last_of(labels: dict[str, CropLabel], name: str) -> str:
    """The crop that this person spoke of last: there is a way back to it."""
    mine = [label for label in labels.values() if label.by == name]
    return max(mine, key=lambda label: label.at_s).crop if mine else ""


def _file(request: Request, crop: str) -> Path | None:
    """The picture of a crop by its name; None for anything that is none."""
    camera, _, name = crop.partition("/")
    if not camera or not name or "/" in name or ".." in (camera, name) or "\0" in crop:
        return None
    path = _state(request) / "harvest" / camera / f"{name}.jpg"
    return path if path.is_file() and not path.is_symlink() else None


async def labels(request: Request) -> Response:
    """The next crop, or the one that the address names; how many were done today."""
    return await _shown(request, 200, "")


async def _shown(request: Request, code: int, problem: str) -> Response:
    queue, said, today = await run_in_threadpool(_queue, request)
    more, asked = "more" in request.query_params, request.query_params.get("crop", "")
    if asked and _file(request, asked) is None:
        return render(request, "message.html", 404, message="not_found")
    keys, skipped = [one.key for one in queue], request.query_params.get("after", "")
    ahead = queue[keys.index(skipped) + 1 :] if skipped in keys else queue
    ahead = ahead or queue
    done = today >= DAILY and not more
    crop = asked or (ahead[0].key if ahead and not done else "")
    one = next((each for each in queue if each.key == crop), None)
    kind = one.label if one else crop.rpartition("-")[2]
    return render(
        request,
        "labels.html",
        code,
        crop=crop,
        one=one,
        box=one.box if one else (),
        kind=CLASSES.get(kind, (kind, kind))[language_of(request) == "en"],
        left=len(queue),
        today=today,
        daily=DAILY,
        done=done,
        more=more,
        back=_last_of(said, request.state.session.name),
        said=said.get(crop),
        problem=problem,
        clock=clock_of(console_of(request)),
    )


async def picture(request: Request) -> Response:
    """A crop as the box kept it; bystanders' heads were flattened before it was written."""
    params = request.path_params
    path = await run_in_threadpool(_file, request, f"{params['camera']}/{params['name']}")
    return FileResponse(path, media_type="image/jpeg") if path else Response(status_code=404)


async def answer(request: Request) -> Response:
    """A person's word on a crop; the later word counts. Then the next one."""
    form, who = await form_of(request), request.state.session.name
    crop, word = form.get("crop", ""), form.get("answer", "")
    if word not in ANSWERS or await run_in_threadpool(_file, request, crop) is None:
        return render(request, "message.html", 404, message="not_found")
    box = _box(form.get("box", "")) if word == "draw" else None
    if word == "draw" and box is None:
        return await _shown(request, 422, "label_no_box")
    label = CropLabel(crop, next(one for one in ANSWERS if one == word), who, time.time(), box)
    await run_in_threadpool(keep_label, _state(request), label)
    console_of(request).accounts.audit(who, "labelled", crop=crop, answer=word)
    return RedirectResponse(f"/labels{'?more' if form.get('more') else ''}", 303)


def _box(text: str) -> Box | None:
    try:
        return drawn([float(side) for side in text.split(",")])
    except ValueError:
        return None


PAGES = {"/labels": labels}
DATA = {"/labels/picture/{camera}/{name}": picture}
ACTIONS = {"/labels": answer}
