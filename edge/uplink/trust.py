# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whose word counts: every downward message is checked here before anything looks inside.

Signed by the platform's key, for this device, of the kind its topic says, with a counter higher
than any heard from its issuer, and not expired. A refusal changes nothing on disk.

Counters are times in microseconds, or small numbers. One far ahead of a clock that can be trusted
is refused: kept, it would deafen the box until that time comes. One that was kept while no clock
could tell counts as now, once one can.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec

from edge.clock import SET_CLOCKS
from edge.uplink import downward
from edge.uplink.seal import Forged, KeyRing
from edge.uplink.wire import Malformed, parse
from edge.values import Stamp

Why = Literal["size", "json", "version", "fields", "signature", "device", "replay", "expired",
              "clock", "ahead"]  # fmt: skip

BYTES_MAX = {"ack": 256 * 1024, "review": 16 * 1024, "command": 64 * 1024, "desired": 512 * 1024}
KINDS: dict[str, type[downward.Down]] = {
    "ack": downward.Ack,
    "review": downward.Review,
    "command": downward.Command,
    "desired": downward.Desired,
}
# Of each kind. More than a city has; the one that was silent longest makes room for a new one.
ISSUERS_MAX = 64
# Clocks of platforms and boxes differ, and some are a time zone off.
AHEAD_S = 86_400.0
# 2100-01-01 in microseconds: what no counter passes, however wrong the box's own clock is.
LAST_N = 4_102_444_800_000_000
COMMAND_AHEAD_S = 600.0
# A wall clock before this stands on a board without battery that has not met a time server.
SANE_WALL = 1_767_225_600.0

D = TypeVar("D", bound=downward.Down)


class RefusedMessage(ValueError):
    """A downward message that is not obeyed; `why` is the word it is counted under."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why = why


class DownlinkTrust:
    """`keys` None: the configured weak mode `down: tls`, in which the broker's rules decide who
    may publish; device, kind, counter and expiry are checked all the same."""

    def __init__(self, device: str, keys: KeyRing | None) -> None:
        self._device, self._keys = device, keys

    def read(self, kind: str, payload: bytes, heard: Mapping[str, int], at: Stamp) -> downward.Down:
        """The message, typed. `heard` maps counter names to the highest counter accepted.
        Raises RefusedMessage with the word it is counted under."""
        if len(payload) > BYTES_MAX[kind]:
            raise RefusedMessage("size", f"{len(payload)} bytes")
        try:
            data = parse(payload)
        except Malformed as error:
            raise RefusedMessage(error.why, str(error)) from None
        if self._keys is not None:
            try:
                self._keys.verify(data)
            except Forged as error:
                raise RefusedMessage("signature", str(error)) from None
        message = _convert(data, KINDS[kind])
        if message.device != self._device:
            raise RefusedMessage("device", f"for {message.device!r}")
        self._fresh(kind, message, heard, at)
        _not_expired(message, at)
        return message

    def _fresh(
        self, kind: str, message: downward.Down, heard: Mapping[str, int], at: Stamp
    ) -> None:
        name = counter_name(kind, message)
        latest, now = LAST_N, LAST_N
        if at.quality in SET_CLOCKS and at.wall >= SANE_WALL:
            latest, now = round((at.wall + AHEAD_S) * 1e6), round(at.wall * 1e6)
        highest = max(message.n, message.rev if isinstance(message, downward.Desired) else 0)
        if highest > latest:
            raise RefusedMessage("ahead", f"{name}: {highest} is later than any clock says")
        last = min(heard.get(name, heard.get(forgotten(kind), 0)), now)
        if message.n <= last:
            raise RefusedMessage("replay", f"{name}: {message.n} after {last}")


def room_for(kind: str, message: downward.Down, heard: Mapping[str, int]) -> str | None:
    """Whose counter is forgotten so that this message's can be kept; None where there is room.

    Nobody can be locked out by names that were invented, and nothing be replayed: what an issuer
    without a counter says must be above all that were forgotten (`forgotten`).
    """
    mine = {n: c for n, c in heard.items() if n.startswith(f"{kind}:") and n != forgotten(kind)}
    if counter_name(kind, message) in mine or len(mine) < ISSUERS_MAX:
        return None
    return min(mine, key=lambda name: mine[name])


def forgotten(kind: str) -> str:
    """The counter name under which the highest of the forgotten ones stands; no issuer's."""
    return f"{kind}:"


def counter_name(kind: str, message: downward.Down) -> str:
    """Counters rise for each kind and issuer: several receivers may acknowledge side by side."""
    return f"{kind}:{message.iss}"


def _convert(data: Mapping[str, object], kind: type[D]) -> D:
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise RefusedMessage("fields", str(error)) from None


def _not_expired(message: downward.Down, at: Stamp) -> None:
    """Commands and configurations expire; where the clock cannot tell, they are not obeyed."""
    exp = getattr(message, "exp", None)
    if exp is None:
        return
    if at.wall < SANE_WALL:
        raise RefusedMessage("clock", "the clock is not set, expiry cannot be judged")
    if not math.isfinite(exp) or exp <= at.wall:
        raise RefusedMessage("expired", f"{at.wall - exp:.0f} s ago")
    if isinstance(message, downward.Command) and exp > at.wall + COMMAND_AHEAD_S:
        raise RefusedMessage("expired", f"more than {COMMAND_AHEAD_S:.0f} s ahead")
