# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge doctor on the box's own certificate: how long it lasts, in words a technician can act on."""

from datetime import timedelta

import pytest

from edge.config import Device, Site
from edge.config.device import Broker
from edge.daemons import doctor
from edge.daemons.settings import Settings
from tests.field.test_provision import NOW, Authority
from tools.field import provision


def ask(base, **broker):
    device = Device(broker=Broker(**broker))
    return list(doctor._certificate(Settings(Site(), device, {}, {}, "0" * 64, base)))


@pytest.mark.parametrize(
    ("age_days", "days", "level", "said"),
    [(0, 90, "well", "90 days left"), (0, 20, "remark", "ends in 20"), (9, 5, "wrong", "ended 4")],
)
def test_how_long_the_certificate_lasts(tmp_path, age_days, days, level, said):
    csr = provision.request(tmp_path, "box-1", "hue")
    Authority(tmp_path).sign(csr, start=NOW - timedelta(days=age_days), days=days)
    (advice,) = ask(tmp_path, cert="answer.crt", key="box-1.key")
    assert advice.level == level and said in advice.found
    assert level == "well" or "edge-provision" in advice.do_en


def test_a_missing_or_broken_certificate_is_one_line(tmp_path):
    (tmp_path / "bad.crt").write_text("not a certificate")
    for name in ("none.crt", "bad.crt"):
        (advice,) = ask(tmp_path, cert=name, key="x")
        assert advice.level == "wrong" and name in advice.found


def test_without_tls_or_certificate_nothing_is_said(tmp_path):
    assert ask(tmp_path, tls="off", cert="x") == ask(tmp_path) == []
