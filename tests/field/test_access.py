# SPDX-License-Identifier: AGPL-3.0-or-later
"""What doctor asks as each daemon's user. A booted box is asked by tools/systemtest."""

import grp
import os
import pwd
from pathlib import Path

import pytest

from edge.config.permissions import ACCOUNTS, Account
from edge.diagnosis import access
from edge.pipeline.soundness import load_settings

DEVICE = """\
device: box-1
broker: {host: mqtt.example, ca: keys/ca.pem, cert: keys/box-1.crt, key: keys/box-1.key}
trust: {platform_key: keys/platform.pub.pem}
updates: {release_key: release.pub.pem}
"""
SITE = "cameras: [{id: a, source: clip.mp4}, {id: b, source: 'rtsp://10.0.0.9/1'}]\n"


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "device.yaml").write_text(DEVICE)
    (tmp_path / "site.yaml").write_text(SITE)
    return load_settings(tmp_path / "site.yaml", tmp_path / "device.yaml")


def test_what_the_files_name_is_asked_of_whoever_reads_it(settings):
    asked = {(need.daemon, Path(need.path).name) for need in access.needs(settings)}
    assert {("uplinkd", "platform.pub.pem"), ("uplinkd", "box-1.key")} <= asked
    assert {("visiond", "clip.mp4"), ("visiond", "release.pub.pem")} <= asked
    assert not [path for _, path in asked if "rtsp" in path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may ask as somebody else")
def test_it_is_asked_as_the_other_user_with_its_groups(tmp_path, monkeypatch):
    secret = tmp_path / "key.pem"
    secret.write_text("k")
    secret.chmod(0o640)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder != folder.parent:
            folder.chmod(folder.stat().st_mode | 0o711)
    user = pwd.getpwnam("nobody")
    monkeypatch.setattr(access, "GROUP", "nogroup")
    need = [access.Need("uplinkd", str(secret))]
    assert access._ask(Account(user.pw_name), need) == [False], "root itself may read it"
    os.chown(secret, 0, grp.getgrnam("daemon").gr_gid)
    assert access._ask(Account(user.pw_name, ("daemon",)), need) == [True]
    assert access._ask(Account(user.pw_name), need) == [False]


def test_a_user_that_is_not_there_is_said(settings, monkeypatch):
    monkeypatch.setattr(access, "as_systemd_has_it", lambda _: Account("edge-nobody-there"))
    (found,) = access._of("uplinkd", [access.Need("uplinkd", "/etc")])
    assert found.level == "wrong" and "edge-nobody-there" in found.found


def test_a_release_key_that_a_daemon_could_replace_is_wrong(settings, tmp_path):
    (tmp_path / "release.pub.pem").write_text("k")
    tmp_path.chmod(0o775)
    (found,) = access._replaceable(settings)
    assert found.level == "wrong" and "/etc/edge/release" in found.do_en


def test_every_daemon_has_an_account():
    assert set(ACCOUNTS) == {"visiond", "sensord", "uplinkd", "consoled", "flightd", "janitord"}
