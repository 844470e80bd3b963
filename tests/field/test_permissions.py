# SPDX-License-Identifier: AGPL-3.0-or-later
"""The table of permissions against units, users and tmpfiles, as kernel and sandbox apply them.

A booted box is compared with it by tools/systemtest; this needs none.
"""

import re
from pathlib import PurePosixPath

import pytest

from edge.config.permissions import ACCOUNTS, GROUP, PLACES, tmpfiles
from tests.field.units import DAEMONS, SYSTEMD, service


def test_tmpfiles_are_those_of_the_table():
    assert (SYSTEMD / "edge.tmpfiles.conf").read_text("utf-8") == tmpfiles()


@pytest.mark.parametrize("daemon", DAEMONS)
def test_accounts_are_those_of_the_units(daemon):
    told = service(daemon)
    assert told["User"] == [ACCOUNTS[daemon].user] and told["Group"] == [GROUP]
    groups = " ".join(told.get("SupplementaryGroups", [])).split()
    assert tuple(groups) == ACCOUNTS[daemon].groups


def below(path, folders):
    """Whether a folder of a unit's list is this path or holds it."""
    place = PurePosixPath(path)
    return any(place.is_relative_to(folder.removeprefix("-")) for folder in folders)


def listed(told, key):
    return " ".join(told.get(key, [])).split()


def allowed(daemon, place):
    """(may read, may write) by mode, owner and groups, less what the unit's sandbox takes away."""
    account, told = ACCOUNTS[daemon], service(daemon)
    if place.owner == account.user:
        bits = place.mode >> 6
    elif place.group in (GROUP, *account.groups):
        bits = place.mode >> 3
    else:
        bits = place.mode
    hidden = below(place.path, listed(told, "InaccessiblePaths"))
    bound = below(place.path, listed(told, "ReadWritePaths"))
    bound &= not below(place.path, listed(told, "ReadOnlyPaths"))
    return bool(bits & 4) and not hidden, bool(bits & 2) and not hidden and bound


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.path)
def test_whoever_must_may_and_nobody_else(place):
    got = {daemon: allowed(daemon, place) for daemon in DAEMONS}
    assert {d for d, (reads, _) in got.items() if reads} >= place.reads
    assert {d for d, (_, writes) in got.items() if writes} >= place.writes
    if place.mode & 0o7 == 0 and place.group != GROUP:
        assert {d for d, (reads, _) in got.items() if reads} == place.reads
    if place.path.startswith(("/etc", "/var/lib/edge-update")):
        assert {d for d, (_, writes) in got.items() if writes} == place.writes


def test_secrets_are_nobody_elses():
    """Cameras' passwords stand in the site file, keys in theirs: nothing for the world."""
    for place in PLACES:
        if place.path not in ("/etc/edge/release", "/var/lib/edge-update"):
            assert place.mode & 0o7 == 0, place.path


def test_daemons_find_the_models_key_where_no_daemon_may_write():
    (place,) = [place for place in PLACES if place.path == "/etc/edge/release"]
    assert not place.writes and place.owner == "root" and not place.mode & 0o22


def test_every_user_is_made():
    made = set(re.findall(r"^[ug] (\S+)", (SYSTEMD / "edge.sysusers.conf").read_text(), re.M))
    owners = {p.owner for p in PLACES} | {p.group for p in PLACES}
    assert owners - {"root", None} <= made
    assert {account.user for account in ACCOUNTS.values()} <= made
