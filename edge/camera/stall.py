# SPDX-License-Identifier: AGPL-3.0-or-later
"""When a stream without pictures becomes a fault, and when it is over. Pure."""

from __future__ import annotations

from edge.camera.source import STALL_S, Cause, SourceError
from edge.values import Fault, Stamp

KIND = "stream_stall"

# Cause -> what a person is told, Chinese and English; docs/cameras.md explains each.
CAUSES: dict[Cause, tuple[str, str]] = {
    "unreachable": ("连接不上摄像机", "the camera cannot be reached"),
    "refused": ("摄像机拒绝连接", "the camera refuses the connection"),
    "login": ("用户名或密码错误", "the camera refuses the user or password"),
    "not_found": ("码流地址不存在", "the camera has no such stream"),
    "stall": ("码流中断", "the stream stopped"),
    "ended": ("码流结束或被断开", "the stream ended"),
    "unsupported": ("码流格式不支持", "the stream is of a kind that is not supported"),
    "broken": ("收到的不是视频", "what comes is not video"),
    "not_analysed": ("有画面但未被分析", "pictures come, but none is analysed"),
}


class StallWatch:
    """One camera: a fault starts once no picture was analysed for STALL_S, whatever the cause, and
    ends with the next one.

    However often the reason changes meanwhile, it is one fault with one end. standing: the fault
    that an earlier run left open; it ends with the first picture of this run.
    """

    def __init__(
        self, subject: str, standing: Fault | None = None, *, limit_s: float | None = None
    ) -> None:
        self._subject, self._limit_s = subject, STALL_S if limit_s is None else limit_s
        self._since: float | None = None
        # Since when a picture must have come for the stall to be over.
        self._mark: float | None = None
        if standing is not None:
            self._since = standing.at.mono - float(standing.facts.get("silent_s", STALL_S))

    @property
    def open(self) -> bool:
        return self._since is not None

    def step(self, now: Stamp, last_s: float, error: SourceError | None) -> Fault | None:
        """last_s: when a picture was analysed last (mono), or when watching began; error: why
        none comes now, where that is known."""
        silent_s = now.mono - last_s
        self._mark = last_s if self._mark is None else self._mark
        if self._since is None and silent_s > self._limit_s:
            self._since = self._mark = last_s
            return self._start(now, error, silent_s)
        if self._since is not None and silent_s <= self._limit_s and last_s > self._mark:
            lasted_s, self._since = last_s - self._since, None
            return Fault(
                KIND, self._subject, "end", now, "画面恢复 / pictures again",
                {"lasted_s": round(lasted_s, 1)},
            )  # fmt: skip
        return None

    def _start(self, now: Stamp, error: SourceError | None, silent_s: float) -> Fault:
        cause: Cause = error.cause if error is not None else "stall"
        zh, en = CAUSES[cause]
        detail = f": {error}" if error is not None else ""
        facts = {"cause": cause, "silent_s": round(silent_s, 1)}
        return Fault(KIND, self._subject, "start", now, f"{zh} / {en}{detail}", facts)
