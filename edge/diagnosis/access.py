# SPDX-License-Identifier: AGPL-3.0-or-later
"""May each daemon of an installed box read and write what it must? Asked as its own user.

Root may everything, so that what `edge doctor` sees as root says nothing about the daemons: each
question is put by a child with the user and groups that systemd gives the unit.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.config.permissions import ACCOUNTS, GROUP, PLACES, Account
from edge.diagnosis.advice import PartAdvice
from edge.pipeline.settings import Settings

TIMEOUT_S = 20.0
# As the user it was started as; one true or false for each [path, mode].
_ASK = "import json,os,sys; print(json.dumps([os.access(p, m) for p, m in json.load(sys.stdin)]))"
# The system's: whoever asks may not be able to run ours, if it lies in somebody's home.
_PYTHON = "/usr/bin/python3"
_AGAIN = (
    "sudo systemd-tmpfiles --create, or install again: it sets owners, groups and modes",
    "执行 sudo systemd-tmpfiles --create 或重新安装，以恢复属主、属组与权限",
)


@dataclass(frozen=True, slots=True)
class Need:
    """A daemon must be able to read (or write) a path."""

    daemon: str
    path: str
    write: bool = False


def check_access(settings: Settings) -> Iterator[PartAdvice]:
    """Nothing where no box is installed; else one line for each thing a daemon may not do."""
    if settings.device.folders.state != "/var/lib/edge" or not _installed():
        return
    if os.geteuid() != 0:
        words = "asked only as you", "run it with sudo", "请用 sudo 运行"
        yield PartAdvice("access", "remark", *words)
        return
    wrong = [advice for daemon in ACCOUNTS for advice in _of(daemon, needs(settings))]
    wrong += _replaceable(settings)
    yield from wrong
    if not wrong:
        yield PartAdvice("access", "well", "every daemon may read and write what it must")


def _installed() -> bool:
    try:
        pwd.getpwnam(ACCOUNTS["visiond"].user)
    except KeyError:
        return False
    return True


def needs(settings: Settings) -> list[Need]:
    """From the table of permissions, and from the files that the device and site files name."""
    found = []
    for place in PLACES:
        if "*" not in place.path and Path(place.path).exists():
            found += [Need(daemon, place.path) for daemon in sorted(place.reads)]
            found += [Need(daemon, place.path, True) for daemon in sorted(place.writes)]
    device = settings.device
    named = {
        "uplinkd": (
            device.trust.platform_key,
            device.trust.signing_key,
            *_when(device.broker.tls == "on", device.broker.ca),
            device.broker.cert,
            device.broker.key,
            device.broker.password_file,
        ),
        "consoled": (device.console.tls_cert, device.console.tls_key),
        "visiond": (device.updates.release_key, *_recordings(settings)),
    }
    for daemon, paths in named.items():
        found += [Need(daemon, str(settings.base / path)) for path in paths if path]
    return found


def _when(so: bool, path: str | None) -> tuple[str | None, ...]:
    return (path,) if so else ()


def _recordings(settings: Settings) -> list[str]:
    """Cameras that are a file on the box."""
    sources = (camera.source for camera in settings.site.cameras if camera.enabled)
    return [source for source in sources if "://" not in source and ":" not in source]


def _of(daemon: str, asked: Sequence[Need]) -> Iterator[PartAdvice]:
    mine = [need for need in asked if need.daemon == daemon]
    account = as_systemd_has_it(daemon)
    try:
        answers = _ask(account, mine)
    except (KeyError, OSError, subprocess.SubprocessError, ValueError) as error:
        yield PartAdvice("access", "wrong", f"edge-{daemon}: cannot ask as it: {error}", *_AGAIN)
        return
    for need, may in zip(mine, answers, strict=True):
        if not may:
            what = "write" if need.write else "read"
            if not Path(need.path).exists():
                what = "find"
            text = f"edge-{daemon} ({account.user}) may not {what} {need.path}"
            yield PartAdvice("access", "wrong", text, *_AGAIN)


def as_systemd_has_it(daemon: str) -> Account:
    """User and groups of the unit with all its drop-ins; the table's where there is no systemd."""
    words = ["systemctl", "show", f"edge-{daemon}.service", "--property=User,SupplementaryGroups"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return ACCOUNTS[daemon]
    values = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    if not values.get("User"):
        return ACCOUNTS[daemon]
    return Account(values["User"], tuple(values.get("SupplementaryGroups", "").split()))


def _ask(account: Account, asked: Sequence[Need]) -> list[bool]:
    """Raises KeyError for a user or group that is not there: systemd would not start the unit."""
    user = pwd.getpwnam(account.user)
    # What initgroups gives, as systemd does it, and what the unit adds.
    member = os.getgrouplist(account.user, grp.getgrnam(GROUP).gr_gid)
    more = [grp.getgrnam(name).gr_gid for name in account.groups]
    questions = [[need.path, os.W_OK if need.write else os.R_OK] for need in asked]
    done = subprocess.run(
        [_PYTHON if Path(_PYTHON).exists() else sys.executable, "-I", "-c", _ASK],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
        cwd="/",
        user=user.pw_uid,
        group=grp.getgrnam(GROUP).gr_gid,
        extra_groups=sorted({*member, *more}),
    )
    return [bool(answer) for answer in json.loads(done.stdout)]


def _replaceable(settings: Settings) -> list[PartAdvice]:
    """The key that model packages are held against must be beyond every daemon."""
    named = settings.device.updates.release_key
    if not named:
        return []
    path = settings.base / named
    open_to = [one for one in (path, path.parent) if one.exists() and _open(one)]
    if not open_to:
        return []
    text = f"a daemon could replace the release key: {open_to[0]} is not root's alone"
    do = "put it into /etc/edge/release", "请放入 /etc/edge/release"
    return [PartAdvice("access", "wrong", text, *do)]


def _open(path: Path) -> bool:
    facts = path.stat()
    return facts.st_uid != 0 or bool(facts.st_mode & 0o022)
