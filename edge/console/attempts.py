# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tries to come in: counted before they are judged, judged one at a time, from anywhere.

argon2id takes 64 MiB and a tenth of a second on purpose: twenty at once are more than the whole
page may have. And a code of eight digits is only as good as the number of tries that anybody gets.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Of one account from one address; who sits behind the same address with another account is not
# locked out with it. And of all accounts from one address: nobody tries names for ever.
TRIES, TRIES_WITHIN_S, LOCKED_S = 5, 300.0, 300.0
ADDRESS_TRIES = 40
# Who waits for a turn holds a thread of the page; more than these are told to come again.
WAITING_MOST = 8
CLIENTS_MOST = 20_000


class LoginRefused(Exception):
    """A login or a password that is not taken; the word is a key of edge.console.texts."""


class Attempts:
    """See the module. `now` is monotonic seconds; thread-safe."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()
        self._waiting: set[str] = set()
        self._mutex, self._turn = threading.Lock(), threading.Lock()

    @contextmanager
    def one(self, client: str, account: str = "") -> Iterator[None]:
        """The turn of one try; it counts as missed until `passed`. Raises LoginRefused: "locked"
        after too many, "busy" where one of the same client or too many others wait already."""
        who = household(client)
        with self._mutex:
            self._count(who, account)
            self._waiting.add(who)
        try:
            with self._turn:
                yield
        finally:
            with self._mutex:
                self._waiting.discard(who)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The same turn for work of somebody who is in already."""
        with self._turn:
            yield

    def passed(self, client: str, account: str = "") -> None:
        """The try was right: what was counted before it for this account is forgotten, and the try
        itself for the address."""
        who = household(client)
        with self._mutex:
            self._tries.pop(_key(who, account), None)
            if self._tries.get(who):
                self._tries[who].pop()

    def _count(self, who: str, account: str) -> None:
        now = self._now()
        own, all_here = self._recent(_key(who, account), now), self._recent(who, now)
        for tries, most in ((own, TRIES), (all_here, ADDRESS_TRIES)):
            if len(tries) >= most and now - tries[-1] < LOCKED_S:
                raise LoginRefused("locked")
        if who in self._waiting or len(self._waiting) >= WAITING_MOST:
            raise LoginRefused("busy")
        for key, tries in ((_key(who, account), own), (who, all_here)):
            tries.append(now)
            self._tries[key] = tries
        while len(self._tries) > CLIENTS_MOST:
            self._tries.popitem(last=False)

    def _recent(self, key: str, now: float) -> deque[float]:
        """The tries that still count. Nothing is kept of a key that has none: whoever is locked out
        may ask for any number of accounts."""
        if key in self._tries:
            self._tries.move_to_end(key)
        tries = self._tries.get(key, deque())
        while tries and now - tries[0] > TRIES_WITHIN_S:
            tries.popleft()
        return tries


def _key(who: str, account: str) -> str:
    return f"{who} {account[:32]}"


def household(client: str) -> str:
    """Whom an address belongs to: of IPv6 a whole /64, since one host may take any of it."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if address.version == 6:
        return str(ipaddress.ip_network((int(address), 64), strict=False).network_address)
    return str(address)
