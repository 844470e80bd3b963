# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who may use the page: accounts, passwords, the code, sessions, CSRF, lock-out.

The code is in `<state>/console/first-code`: made for the first account, and later by
`edge code --new` for somebody who stands at the box and has lost a password. The only writer of
`<state>/console/accounts.json` and `audit.jsonl`. Passwords are hashed by argon2id (RFC 9106) with
the library's defaults, in a process apart. Sessions live in memory: a restart logs out.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argon2.exceptions import InvalidHashError, VerificationError

from edge import journal
from edge.console.attempts import Attempts, LoginRefused
from edge.console.password_hash import Hasher, HasherApart
from edge.console.roles import ROLES, Role
from edge.runtime import write_atomic

log = logging.getLogger(__name__)

CODE_DIGITS = 8
# A code made for somebody who lost a password; the one of a fresh box waits as long as it takes.
RECOVERY_S = 3600.0
NAME_MAX = 32
PASSWORD_LEAST, PASSWORD_MOST = 10, 128
# A wrong code keeps the next one waiting, whoever tries it: at two a second the eight digits last
# for years.
WRONG_CODE_S = 0.5
SESSIONS_MAX = 200
# The log of who did what and the one before it; years of honest use.
AUDIT_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class LoginSession:
    """Somebody logged in. `csrf` must come back with every form."""

    token: str
    csrf: str
    name: str
    role: Role
    until: float


class Accounts:
    """See the module. `now` is monotonic seconds."""

    def __init__(
        self,
        folder: Path,
        *,
        session_s: float,
        now: Callable[[], float] = time.monotonic,
        hasher: Hasher | None = None,
    ) -> None:
        self._folder, self._session_s, self._now = folder, session_s, now
        self._hasher = hasher or HasherApart()
        self._sessions: dict[str, LoginSession] = {}
        self._attempts = Attempts(now)
        # Around every change of accounts or sessions, never around hashing: what was verified
        # before a hash was made is asked again under it.
        self._changing = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._accounts: dict[str, dict[str, str]] = self._read()
        if not self._accounts and not self.code_file.exists():
            write_code(folder)

    def _read(self) -> dict[str, dict[str, str]]:
        path = self._folder / "accounts.json"
        return dict(json.loads(path.read_bytes())) if path.exists() else {}

    @property
    def folder(self) -> Path:
        """Where accounts, code and record lie."""
        return self._folder

    @property
    def code_file(self) -> Path:
        """Where the code stands until it is used; root and the page's user may read it."""
        return self._folder / CODE_FILE

    @property
    def first_code(self) -> str | None:
        """The code that whoever stands at the box can read; it survives a restart."""
        return waiting_code(self._folder, fresh=self.fresh)

    @property
    def fresh(self) -> bool:
        """No account yet: the page answers only to the first code."""
        return not self._accounts

    def set_up(self, code: str, name: str, password: str, client: str) -> LoginSession:
        """The first account, an installer's, made with the code. Raises LoginRefused."""
        if not self.fresh:
            raise LoginRefused("already_set_up")
        return self._by_code(code, name, password, client)

    def recover(self, code: str, name: str, password: str, client: str) -> LoginSession:
        """A new password by a code made at the box, for an account of that name or a new one; it is
        an installer's then. Raises LoginRefused."""
        session = self._by_code(code, name, password, client)
        with self._changing:
            self._end_sessions(name, but=session.token)
        return session

    def _by_code(self, code: str, name: str, password: str, client: str) -> LoginSession:
        with self._attempts.one(client, "code"):
            waiting = self.first_code
            given = code.strip().replace(" ", "").encode(errors="replace")
            if waiting is None or not hmac.compare_digest(given, waiting.encode()):
                time.sleep(WRONG_CODE_S)
                raise LoginRefused("wrong_code")
            hashed = self._hashed(name, password)
            with self._changing:
                self._put(name, hashed, "installer")
                session = self._session(name, "installer")
            self.code_file.unlink(missing_ok=True)
        self._attempts.passed(client, "code")
        return session

    def add(self, name: str, password: str, role: Role) -> None:
        """Another account. Raises LoginRefused."""
        if name in self._accounts:
            raise LoginRefused("name_taken")
        with self._attempts.turn():
            hashed = self._hashed(name, password)
        with self._changing:
            if name in self._accounts:
                raise LoginRefused("name_taken")
            self._put(name, hashed, role)

    def remove(self, name: str) -> None:
        """Raises LoginRefused for the last installer: nobody could come in any more."""
        with self._changing:
            left = {n: a for n, a in self._accounts.items() if n != name}
            _need_installer(left)
            self._keep(left)
            self._end_sessions(name)

    def set_role(self, name: str, role: Role) -> None:
        """Raises LoginRefused for the last installer, KeyError for a name that is not there."""
        with self._changing:
            changed = {**self._accounts, name: {**self._accounts[name], "role": role}}
            _need_installer(changed)
            self._keep(changed)
            self._end_sessions(name)

    def set_password(self, name: str, password: str) -> None:
        """By an installer, for somebody else. Raises LoginRefused and KeyError."""
        if name not in self._accounts:
            raise KeyError(name)
        with self._attempts.turn():
            hashed = self._hashed(name, password)
        with self._changing:
            self._put(name, hashed, role_of(self._accounts[name]))
            self._end_sessions(name)

    def change_password(self, session: LoginSession, old: str, new: str, client: str) -> None:
        """One's own, with the old one; other sessions of the account end. Raises LoginRefused."""
        with self._attempts.one(client, session.name):
            verified = self._verified(session.name, old)
            if verified is None:
                raise LoginRefused("wrong_old_password")
            hashed = self._hashed(session.name, new)
            with self._changing:
                account = self._still(session.name, verified)
                if account is None:
                    raise LoginRefused("account_gone")
                self._put(session.name, hashed, role_of(account))
                self._end_sessions(session.name, but=session.token)
        self._attempts.passed(client, session.name)

    def _still(self, name: str, verified: dict[str, str]) -> dict[str, str] | None:
        """The account as it is now, where its password is the one that was verified: it may have
        been removed, or made anew, while a hash was being made."""
        account = self._accounts.get(name)
        return account if account and account["hash"] == verified["hash"] else None

    def _end_sessions(self, name: str, but: str = "") -> None:
        kept = ((t, s) for t, s in self._sessions.items() if s.name != name or t == but)
        self._sessions = dict(kept)

    def names(self) -> dict[str, str]:
        return {name: account["role"] for name, account in sorted(self._accounts.items())}

    def _hashed(self, name: str, password: str) -> str:
        if not (0 < len(name) <= NAME_MAX and name.isprintable() and name.strip() == name):
            raise LoginRefused("bad_name")
        if not PASSWORD_LEAST <= len(password) <= PASSWORD_MOST:
            raise LoginRefused("bad_password")
        return self._hasher.hash(password)

    def _put(self, name: str, hashed: str, role: Role) -> None:
        self._keep({**self._accounts, name: {"hash": hashed, "role": role}})

    def _keep(self, accounts: dict[str, dict[str, str]]) -> None:
        """Raises OSError; then nothing has changed."""
        path = self._folder / "accounts.json"
        write_atomic(path, json.dumps(accounts, ensure_ascii=False).encode())
        path.chmod(0o600)
        self._accounts = accounts

    def log_in(self, name: str, password: str, client: str) -> LoginSession:
        """Raises LoginRefused; the answer does not tell whether name or password is wrong."""
        with self._attempts.one(client, name):
            verified = self._verified(name, password)
        with self._changing:
            account = self._still(name, verified) if verified is not None else None
            if account is None:
                raise LoginRefused("wrong_login")
            session = self._session(name, role_of(account))
        self._attempts.passed(client, name)
        return session

    def _verified(self, name: str, password: str) -> dict[str, str] | None:
        account = self._accounts.get(name)
        # An unknown name costs the same time as a known one.
        stored = account["hash"] if account else self._decoy()
        try:
            self._hasher.verify(stored, password[:PASSWORD_MOST])
        except (VerificationError, InvalidHashError):
            return None
        return account

    _decoy_hash = ""

    def _decoy(self) -> str:
        if not self._decoy_hash:
            self._decoy_hash = self._hasher.hash(secrets.token_hex(16))
        return self._decoy_hash

    def _session(self, name: str, role: Role) -> LoginSession:
        self._forget_old()
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        session = LoginSession(token, csrf, name, role, self._now() + self._session_s)
        self._sessions[token] = session
        return session

    def _forget_old(self) -> None:
        now = self._now()
        alive = {t: s for t, s in self._sessions.items() if s.until > now}
        while len(alive) >= SESSIONS_MAX:
            alive.pop(next(iter(alive)))
        self._sessions = alive

    def session(self, token: str | None) -> LoginSession | None:
        found = self._sessions.get(token or "")
        if found is None or found.until <= self._now():
            return None
        account = self._accounts.get(found.name)
        return found if account and role_of(account) == found.role else None

    def log_out(self, token: str) -> None:
        with self._changing:
            self._sessions.pop(token, None)

    def audit(self, who: str, what: str, **facts: Any) -> None:
        """One line for everything that somebody changed, with who and when. Where the disk does
        not take it the log of the box gets it: nobody could come in to make room otherwise."""
        row = {"wall": round(time.time(), 3), "who": who, "what": what, **facts}
        path = self._folder / "audit.jsonl"
        try:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size > AUDIT_BYTES:
                    path.replace(path.with_suffix(".1.jsonl"))
            journal.append(path, [row])
        except OSError as error:
            log.error("audit: %s: %s", error, json.dumps(row, ensure_ascii=False, default=str))


CODE_FILE = "first-code"


def waiting_code(folder: Path, *, fresh: bool) -> str | None:
    """The code that stands in a page's folder, if it still counts. Raises OSError."""
    path = folder / CODE_FILE
    try:
        # One of the future is as old: the clock of a box without a battery starts in the past.
        late = not fresh and abs(time.time() - path.stat().st_mtime) > RECOVERY_S
        return None if late else path.read_text().strip() or None
    except FileNotFoundError:
        return None


def write_code(folder: Path) -> str:
    """Makes a new code in a page's folder, for the folder's owner. Raises OSError."""
    code = "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))
    path, owner = folder / CODE_FILE, folder.stat()
    write_atomic(path, code.encode())
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)
    return code


def has_accounts(folder: Path) -> bool:
    """Whether somebody may log in already."""
    path = folder / "accounts.json"
    return path.exists() and bool(json.loads(path.read_bytes()))


def role_of(account: dict[str, str]) -> Role:
    """The role of an account; a word that is none of ours may only look."""
    return next((role for role in ROLES if role == account.get("role")), "viewer")


def _need_installer(accounts: dict[str, dict[str, str]]) -> None:
    if not any(account["role"] == "installer" for account in accounts.values()):
        raise LoginRefused("last_installer")


def audit_rows(folder: Path, most: int = 5000) -> list[dict[str, Any]]:
    """The newest rows of the log of who did what, newest first. A torn line is left out."""
    rows: list[dict[str, Any]] = []
    for name in ("audit.1.jsonl", "audit.jsonl"):
        rows += journal.read(folder / name)[0]
    return rows[-most:][::-1]
