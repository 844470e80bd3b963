# SPDX-License-Identifier: AGPL-3.0-or-later
"""Passwords hashed in a process apart: argon2id (RFC 9106) takes 64 MiB on purpose, and the page is
to stay below eighty megabytes.

`python -m edge.console.password_hash` reads a password and a hash or null as JSON, and answers
with a new hash, "yes" or "no".
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

LIMIT_S = 20.0


class Hasher(Protocol):
    """Makes hashes of passwords and compares them, as `argon2.PasswordHasher` does."""

    def hash(self, password: str, /) -> str:
        """A new salted hash."""

    def verify(self, stored: str, password: str, /) -> bool:
        """True; raises VerificationError or InvalidHashError where it is another password."""


class HasherApart:
    """The library's defaults in a process that is gone again after a tenth of a second."""

    def hash(self, password: str, /) -> str:
        return _asked(password, None)

    def verify(self, stored: str, password: str, /) -> bool:
        """Raises VerifyMismatchError."""
        if _asked(password, stored) != "yes":
            raise VerifyMismatchError
        return True


def _asked(password: str, stored: str | None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "edge.console.password_hash"],
        input=json.dumps([password, stored]).encode(),
        stdout=subprocess.PIPE,
        timeout=LIMIT_S,
        check=True,
    )
    return done.stdout.decode()


def answer(password: str, stored: str | None) -> str:
    """What the process apart says."""
    if stored is None:
        return PasswordHasher().hash(password)
    try:
        PasswordHasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return "no"
    return "yes"


if __name__ == "__main__":
    sys.stdout.write(answer(*json.load(sys.stdin)))
