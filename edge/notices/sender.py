# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sends notices to each chat behind a bounded queue of its own: one that is slow, gone or refuses
is one fault and disturbs no other, and never the daemon that it runs in."""

from __future__ import annotations

import http.client
import logging
import ssl
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec

from edge.notices.bodies import refusal, request_of
from edge.notices.hooks import Hook
from edge.runtime import Backoff

log = logging.getLogger(__name__)

WAIT_S, ANSWER_BYTES = 8.0, 16_384
QUEUE_MOST = 200
# More than these at once are told as one: a chat takes some twenty messages a minute.
SINGLE_MOST = 3
EVERY_S = 4.0
# So many refusals in a row are a fault; its end is the next that is taken.
FAULT_AFTER = 3


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. `category` None: a fault; `topic` is what a summary counts it under."""

    key: str
    category: str | None
    topic: str
    text: str


@dataclass(slots=True)
class HookQueue:
    """What one chat still has to be told."""

    hook: Hook
    waiting: deque[Notice] = field(default_factory=lambda: deque(maxlen=QUEUE_MOST))
    lost: int = 0
    failed: int = 0
    # Why nothing is sent to it any more: a bug in the sending, until the chats are saved again.
    broken: str = ""
    again_at: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=5.0, cap_s=600.0))

    def put(self, notice: Notice) -> None:
        """The oldest gives way in a full queue, and is counted."""
        self.lost += len(self.waiting) == QUEUE_MOST
        self.waiting.append(notice)


Post = Callable[[Hook, str, float], str | None]
Delivered = Callable[[Hook, bool, str], None]
# Around the work for one chat: its name, and what is done where that fails by a bug again.
WorkingFor = Callable[[str, Callable[[str], None]], AbstractContextManager[None]]


class NoticeSender:
    """The queues of all chats. `told(hook, wrong, line)` hears where one fails and heals.

    waits: what an earlier run had not sent, as `waiting` gave it. moved: rises with every change of
    what waits.
    """

    def __init__(
        self,
        delivered: Delivered,
        post: Post | None = None,
        *,
        waits: Mapping[str, Any] | None = None,
        working_for: WorkingFor = lambda name, aside: nullcontext(),
    ) -> None:
        self._delivered, self._post, self._working_for = delivered, post or post_notice, working_for
        self._queues: dict[str, HookQueue] = {}
        self._waits = dict(waits or {})
        self.moved = 0

    def waiting(self) -> dict[str, Any]:
        """What waits for each chat, to be kept over a restart."""
        return {
            key: {"lost": q.lost, "notices": msgspec.to_builtins(list(q.waiting))}
            for key, q in self._queues.items()
            if q.waiting
        }

    def _restored(self, hook: Hook) -> HookQueue:
        """Raises nothing for what is not as `waiting` made it: that is lost, and counted."""
        queue, kept = HookQueue(hook), self._waits.pop(hook.id, {})
        try:
            queue.waiting.extend(msgspec.convert(kept.get("notices", ()), tuple[Notice, ...]))
            queue.lost = int(kept.get("lost", 0))
        except (AttributeError, TypeError, ValueError) as error:
            log.warning("notices that waited for %s are lost: %s", hook.name, error)
            queue.lost += 1
        return queue

    def use(self, hooks: Iterable[Hook]) -> None:
        """From now on these; what waits for a chat that stays still waits. A fault of one that is
        gone is over."""
        before, self._queues = self._queues, {}
        for hook in hooks:
            queue = before.pop(hook.id, None) or self._restored(hook)
            queue.hook, queue.broken = hook, ""
            self._queues[hook.id] = queue
        for gone in before.values():
            self._delivered(gone.hook, False, "")

    def put(self, notice: Notice) -> None:
        """To every chat that wants it."""
        for queue in self._queues.values():
            if queue.hook.wants(notice.category):
                queue.put(notice)
                self.moved += 1

    def step(self, mono: float, wall: float, local: datetime) -> None:
        """At most one message to each chat whose time has come."""
        for queue in self._queues.values():
            with self._working_for(f"chat {queue.hook.id}", partial(self._break, queue)):
                if self._due(queue, mono, local):
                    self._send(queue, mono, wall)

    def _due(self, queue: HookQueue, mono: float, local: datetime) -> bool:
        ready = bool(queue.waiting) and mono >= queue.again_at and not queue.broken
        return ready and not queue.hook.silent_at(local)

    def _break(self, queue: HookQueue, why: str) -> None:
        # A bug's words may hold the address.
        queue.broken = why.partition(":")[0]
        self._delivered(queue.hook, True, f"a bug in sending to it: {queue.broken}")

    def _send(self, queue: HookQueue, mono: float, wall: float) -> None:
        together = list(queue.waiting) if len(queue.waiting) > SINGLE_MOST else [queue.waiting[0]]
        problem = self._post(queue.hook, _text(together, queue.lost), wall)
        if problem is None:
            for _ in together:
                queue.waiting.popleft()
            queue.lost, queue.failed, queue.again_at = 0, 0, mono + EVERY_S
            queue.backoff.reset()
            self.moved += 1
            self._delivered(queue.hook, False, "")
            return
        queue.failed += 1
        queue.again_at = mono + max(1.0, queue.backoff.next_s())
        if queue.failed >= FAULT_AFTER:
            self._delivered(queue.hook, True, problem)

    def status(self) -> Mapping[str, Mapping[str, int]]:
        """What waits, was lost and failed in a row, by chat."""
        return {
            key: {"waiting": len(q.waiting), "lost": q.lost, "failed": q.failed}
            for key, q in self._queues.items()
        }


def _text(notices: list[Notice], lost: int) -> str:
    if len(notices) == 1 and not lost:
        return notices[0].text
    counts = Counter(notice.topic for notice in notices)
    lines = [f"共 {len(notices) + lost} 条 / {len(notices) + lost} notices"]
    lines += [f"{topic} × {number}" for topic, number in counts.most_common(12)]
    return "\n".join([*lines, notices[-1].text])


def post_notice(hook: Hook, text: str, wall: float) -> str | None:
    """POST one message; None where the chat took it, else why not, without the address. A redirect
    is not followed."""
    url, body = request_of(hook, text, wall)
    try:
        parts = urlsplit(url)
        port = parts.port
        link: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            link = http.client.HTTPSConnection(
                parts.hostname or "", port, timeout=WAIT_S, context=context
            )
        else:
            link = http.client.HTTPConnection(parts.hostname or "", port, timeout=WAIT_S)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            link.request("POST", path, body, {"Content-Type": "application/json"})
            answer = link.getresponse()
            return refusal(hook, answer.status, answer.read(ANSWER_BYTES))
        finally:
            link.close()
    except ssl.SSLCertVerificationError as error:
        return f"certificate: {error.verify_message}"
    except OSError as error:
        return error.strerror or type(error).__name__
    except (http.client.HTTPException, ValueError) as error:
        # Their texts may hold the address.
        return type(error).__name__
