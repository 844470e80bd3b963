# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is posted to a chat, and what its answer means: a table by kind. Pure; time is an argument.

Formats: 企业微信 group robot (developer.work.weixin.qq.com, path/91770), DingTalk custom robot with
its signature (open.dingtalk.com, custom-robot-access), Feishu custom bot with its signature
(open.feishu.cn, bot-v3). Written from the documents; tried against our own stand-in only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

from edge.jsonfile import decoded
from edge.notices.hooks import Hook, HookKind

TEXT_MAX = 1800


def request_of(hook: Hook, text: str, wall: float) -> tuple[str, bytes]:
    """(address, JSON body) of one message."""
    url, body = _BODIES[hook.kind](hook, text[:TEXT_MAX], wall)
    return url, json.dumps(body, ensure_ascii=False).encode()


def _wecom(hook: Hook, text: str, _: float) -> tuple[str, dict[str, Any]]:
    return hook.url, {"msgtype": "text", "text": {"content": text}}


def _dingtalk(hook: Hook, text: str, wall: float) -> tuple[str, dict[str, Any]]:
    url = hook.url
    if hook.secret:
        stamp = str(round(wall * 1000))
        made = _signed(hook.secret.encode(), f"{stamp}\n{hook.secret}".encode())
        url += f"{'&' if '?' in url else '?'}timestamp={stamp}&sign={quote_plus(made)}"
    return url, {"msgtype": "text", "text": {"content": text}}


def _feishu(hook: Hook, text: str, wall: float) -> tuple[str, dict[str, Any]]:
    body: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
    if hook.secret:
        stamp = str(round(wall))
        # Feishu signs the empty message with the stamp and the secret as the key.
        body |= {"timestamp": stamp, "sign": _signed(f"{stamp}\n{hook.secret}".encode(), b"")}
    return hook.url, body


def _plain(hook: Hook, text: str, wall: float) -> tuple[str, dict[str, Any]]:
    return hook.url, {"text": text, "at": round(wall, 3)}


def _signed(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


_BODIES: dict[HookKind, Callable[[Hook, str, float], tuple[str, dict[str, Any]]]] = {
    "wecom": _wecom,
    "dingtalk": _dingtalk,
    "feishu": _feishu,
    "plain": _plain,
}


def refusal(hook: Hook, status: int, data: bytes) -> str | None:
    """Why a chat did not take a message, without its address; None where it did. The three answer
    200 also to what they refuse, with a number in the body."""
    if not 200 <= status < 300:
        return f"HTTP {status}"
    if hook.kind == "plain":
        return None
    try:
        said = decoded(data, dict)
    except ValueError:
        return "no JSON answer"
    code = said.get("errcode", said.get("code", said.get("StatusCode")))
    if code == 0:
        return None
    words = str(said.get("errmsg") or said.get("msg") or "")[:100]
    return f"{code}: {words}".replace(hook.url, "…")
