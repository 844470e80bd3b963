# SPDX-License-Identifier: AGPL-3.0-or-later
"""Notices at work in uplinkd, which has the way out: reads new cases and faults from the outbox,
words them, and hands them to the sender, in a thread that stops nothing else."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edge.config import ConfigError
from edge.config.paths import BoxFiles
from edge.config.yamltext import BadYaml, parse
from edge.console.faults import advice_for
from edge.faults import FaultLog
from edge.ipc import Answer
from edge.isolation import ItemGuard
from edge.notices.hooks import Hook, hooks_file, read_hooks
from edge.notices.sender import Notice, NoticeSender, post_notice
from edge.runtime import Trouble, write_atomic

log = logging.getLogger(__name__)

STEP_S = 2.0
# What is older when it is first seen is no news; what was told is remembered for as long.
NEWS_S = 3600.0
KNOWN_MOST = 2000
FAULT = "notice_failed"
# A record that was sealed has its words in the payload; that is milliseconds after it was put.
_ROWS = (
    "SELECT kind, key, coalesce(body, payload) FROM record WHERE kind IN ('violation', 'fault')"
    " AND put_wall > ? ORDER BY id DESC LIMIT 500"
)


class NoticeDesk:
    """See the module; `start` and `close` are uplinkd's."""

    def __init__(self, where: BoxFiles, faults: FaultLog, guard: ItemGuard) -> None:
        self._where, self._faults, self._guard = where, faults, guard
        self._file, self._read_at = hooks_file(where.state), -1
        self._memory = where.state / "notices-told.json"
        kept = _remembered(self._memory)
        self._known: OrderedDict[str, None] = OrderedDict.fromkeys(kept["known"])
        self._sender = NoticeSender(
            self._delivered, waits=kept["waiting"], working_for=guard.working_for
        )
        self._kept = 0
        self._only_remember = False
        self._stop, self._trouble = threading.Event(), Trouble(log)
        self._thread = threading.Thread(target=self._work, name="notices", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10.0)

    def status(self) -> Mapping[str, Mapping[str, int]]:
        return self._sender.status()

    def _work(self) -> None:
        while not self._stop.wait(STEP_S):
            self.step()

    def step(self) -> None:
        """Reads what is new and sends what is due. Nothing is sent while what was told cannot be
        kept: a restart would tell all of it again."""
        try:
            self._read_hooks()
            if self._sender.status():
                self._read_news(time.time())
            self._keep()
        except (ConfigError, sqlite3.Error, OSError) as error:
            self._trouble.failed("notices", str(error))
            return
        self._trouble.healed("notices")
        self._sender.step(time.monotonic(), time.time(), datetime.now(_zone(self._where.site_file)))
        try:
            self._keep()
        except OSError as error:
            self._trouble.failed("notices", str(error))

    def _read_hooks(self) -> None:
        stamp = self._file.stat().st_mtime_ns if self._file.exists() else 0
        if stamp == self._read_at:
            return
        before, hooks = self._sender.status(), read_hooks(self._file)
        self._sender.use(hooks)
        self._read_at = stamp
        # Who is told for the first time is not told of what happened before.
        self._only_remember = bool(hooks) and not before and self._older_than(stamp)

    def _older_than(self, stamp: int) -> bool:
        return not self._memory.exists() or self._memory.stat().st_mtime_ns < stamp

    def _read_news(self, now: float) -> None:
        link = sqlite3.connect(f"{self._where.outbox.resolve().as_uri()}?mode=ro", uri=True)
        try:
            rows = link.execute(_ROWS, (now - NEWS_S,)).fetchall()
        finally:
            link.close()
        found = [self._notice(*row) for row in reversed(rows)]
        news = [notice for notice in found if notice and notice.key not in self._known]
        for notice in news:
            self._known[notice.key] = None
            if not self._only_remember:
                self._sender.put(notice)
        if news or self._only_remember:
            self._only_remember = False
            self._kept = -1

    def _notice(self, kind: str, key: str, body: bytes) -> Notice | None:
        """None where the row is no news, or was set aside by a bug in wording it."""
        notice, row = None, f"row {kind} {key}"
        if row not in self._known:
            with self._guard.working_for(f"notice of {kind} {key}", partial(self._skip, row)):
                notice = notice_of(kind, key, body)
        return notice

    def _skip(self, row: str, why: str) -> None:
        self._known[row] = None
        self._kept = -1
        self._guard.report(row.replace("row", "notice of", 1), why)

    def _keep(self) -> None:
        """What was told and what waits, before it is sent and after: a power cut in between tells
        a chat twice, and loses nothing."""
        if self._kept == self._sender.moved:
            return
        while len(self._known) > KNOWN_MOST:
            self._known.popitem(last=False)
        body = {"known": list(self._known), "waiting": self._sender.waiting()}
        write_atomic(self._memory, json.dumps(body).encode())
        self._kept = self._sender.moved

    def _delivered(self, hook: Hook, wrong: bool, line: str) -> None:
        self._faults.holds(FAULT, hook.id, wrong, f"{hook.name}: {line}")

    def test(self, request: Mapping[str, Any]) -> Answer:
        """One message to a chat now, for the button on the page."""
        try:
            hooks = read_hooks(self._file)
        except ConfigError as error:
            return Answer({"problem": str(error)})
        wanted = next((hook for hook in hooks if hook.id == request.get("hook")), None)
        if wanted is None:
            return Answer({"problem": "no such hook"})
        text = "测试：城管边缘智能终端的通知会发到这里 / test: notices of City Edge come here"
        return Answer({"problem": post_notice(wanted, text, time.time())})


def notice_of(kind: str, key: str, body: bytes | str | None) -> Notice | None:
    """A row of the outbox as a notice, sealed or not: the first revision of a case, the start of a
    fault. None for all others, also for the fault of a hook itself."""
    try:
        facts = json.loads(body or b"{}")
    except ValueError:
        log.warning("%s %s: no JSON, so nobody is told of it", kind, key)
        return None
    if isinstance(facts, dict) and isinstance(facts.get("data"), dict):
        facts = facts["data"]
    if not isinstance(facts, dict):
        return None
    return _case(facts) if kind == "violation" else _fault(facts)


def _case(facts: Mapping[str, Any]) -> Notice | None:
    names, source = facts.get("names") or {}, facts.get("source") or {}
    if facts.get("revision", 1) != 1 or not isinstance(facts.get("id"), str):
        return None
    category = str(facts.get("category", ""))
    zh, en = names.get("zh", category), names.get("en", category)
    place = str(source.get("name") or source.get("id") or "")
    text = f"疑似{zh}：{place}\n{facts['id']}\n须经人工审核 / suspected {en}, needs human review"
    return Notice(f"case {facts['id']}", category, f"{zh} {en}", text)


def _fault(facts: Mapping[str, Any]) -> Notice | None:
    kind, subject = str(facts.get("kind", "")), str(facts.get("subject", ""))
    if facts.get("phase") != "start" or kind == FAULT:
        return None
    advice = advice_for(kind)
    text = f"故障：{advice.zh}（{subject}）\n{advice.do_zh}\n{advice.en}: {advice.do_en}"
    moment = json.dumps(facts.get("at"), sort_keys=True)
    return Notice(f"fault {kind} {subject} {moment}", None, f"{advice.zh} {advice.en}", text)


def _remembered(path: Path) -> dict[str, Any]:
    """What `_keep` wrote; a list was written by programs that kept only what was told."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        found = []
    whole = found if isinstance(found, dict) else {"known": found}
    known, waiting = whole.get("known"), whole.get("waiting")
    return {
        "known": [k for k in known if isinstance(k, str)] if isinstance(known, list) else [],
        "waiting": waiting if isinstance(waiting, dict) else {},
    }


def _zone(site: Path) -> ZoneInfo:
    """The site's, also while its file is being mended."""
    try:
        named = parse(site.read_text("utf-8"))
        return ZoneInfo(str(named.get("timezone") or "Asia/Shanghai"))
    except (OSError, BadYaml, AttributeError, ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("Asia/Shanghai")
