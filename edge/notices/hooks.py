# SPDX-License-Identifier: AGPL-3.0-or-later
"""Web hooks as the page saves them and uplinkd reads them: `<state>/notices/hooks.json`.

The addresses are secrets: who has one may write into the chat. They are shown by host and last
letters only, stand in no log, no status and no message to the platform.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

import msgspec

from edge.config import ConfigError
from edge.config.site import HourSpan, Name
from edge.jsonfile import decoded
from edge.patterns import whole
from edge.runtime import write_atomic

HookKind = Literal["wecom", "dingtalk", "feishu", "plain"]
HOOK_KINDS: tuple[HookKind, ...] = get_args(HookKind)
HOOKS_MOST = 16
HookUrl = Annotated[str, msgspec.Meta(pattern=whole(r"https?://[^\s/@]+(/\S*)?"), max_length=1000)]


class Hook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One chat. categories: only these, all without any; quiet: held back and told after it."""

    id: Name
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    kind: HookKind = "wecom"
    url: HookUrl
    secret: Annotated[str, msgspec.Meta(max_length=200)] = ""
    cases: bool = True
    categories: tuple[Name, ...] = ()
    faults: bool = False
    quiet: HourSpan | None = None
    enabled: bool = True

    def wants(self, category: str | None) -> bool:
        """Whether a case of this category, or a fault (None), goes to this chat."""
        if not self.enabled:
            return False
        if category is None:
            return self.faults
        return self.cases and (not self.categories or category in self.categories)

    def silent_at(self, local: datetime) -> bool:
        """Whether its quiet hours hold at a local time; they may run across midnight."""
        if self.quiet is None:
            return False
        begin, _, end = self.quiet.partition("-")
        now = f"{local:%H:%M}"
        return begin <= now < end if begin < end else now >= begin or now < end

    @property
    def shown_url(self) -> str:
        """Host and the last four letters: enough to tell two apart, too little to write with."""
        try:
            host = urlsplit(self.url).hostname
        except ValueError:
            # A bracket that is not closed: no address at all.
            host = None
        return f"{host or ''}/…{self.url[-4:]}"


def hooks_file(state: Path) -> Path:
    """Where they stand in a state folder."""
    return state / "notices" / "hooks.json"


def read_hooks(path: Path) -> tuple[Hook, ...]:
    """All hooks, none where there is no file. Raises ConfigError, which names no address."""
    try:
        found = decoded(path.read_bytes(), tuple[Hook, ...])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {type(error).__name__}: not the web hooks") from None
    return found[:HOOKS_MOST]


def write_hooks(path: Path, hooks: Iterable[Hook]) -> None:
    """Atomically; readable by the owner and the group of the folder, which is uplinkd's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, msgspec.json.encode(tuple(hooks)))
    path.chmod(0o640)
