# SPDX-License-Identifier: AGPL-3.0-or-later
"""A batch of boxes: signed together or not at all, labelled by their keys, revoked for OpenSSL."""

import re
import subprocess

import pytest

from tools.field import depot, provision
from tools.system import document


@pytest.fixture
def bench(tmp_path):
    """The bureau's CA as docs/platform.md makes it, and where boxes lay their requests."""
    block = document.blocks("platform.md", "openssl req")[0]
    subprocess.run(["sh", "-ec", block], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def request(bench, device, tenant="hue"):
    return provision.request(bench / f"box-{device}", device, tenant)


def words(bench, *more):
    given = ["--register", bench / "register.csv", "--ca", bench / "broker-ca.pem"]
    return [str(word) for word in (*more, *given, "--ca-key", bench / "ca.key")]


def sign(bench, *paths):
    return depot.main(words(bench, "sign", *paths, "--out", bench / "crt"))


def test_a_hundred_are_signed_and_each_box_takes_its_own(bench, capsys):
    paths = [request(bench, f"box-{n:03d}") for n in range(100)]
    assert sign(bench, *paths) == 0
    rows = depot.read_register(bench / "register.csv")
    assert len(rows) == 100 and len({row.code for row in rows}) == 100
    capsys.readouterr()
    keys = bench / "box-box-042"
    argv = ["--keys", str(keys), "accept", str(bench / "crt/box-042.crt")]
    assert provision.main([*argv, "--ca", str(bench / "broker-ca.pem")]) == 0
    said = capsys.readouterr()
    assert f"says {rows[42].code}" in said.out and said.err == "", "strict checks find nothing"
    with pytest.raises(provision.Refused, match="none of the keys"):
        provision.accept(bench / "box-box-041", bench / "crt/box-042.crt")
    checked = ["openssl", "verify", "-x509_strict", "-CAfile", "broker-ca.pem", "crt/box-042.crt"]
    subprocess.run(checked, cwd=bench, check=True, capture_output=True)


def test_one_wrong_request_and_nothing_is_signed(bench, capsys):
    good, again = request(bench, "box-1"), request(bench, "box-2")
    broken = bench / "broken.csr"
    broken.write_text("nonsense")
    twin = provision.request(bench / "twin", "box-1", "hue")
    for paths, why in (((good, broken), "no request"), ((good, twin), "two requests")):
        assert sign(bench, *paths) == 2 and why in capsys.readouterr().err
        assert not (bench / "register.csv").exists() and not (bench / "crt").exists()
    assert sign(bench, good) == 0 and sign(bench, again) == 0
    assert sign(bench, twin) == 2 and "revoke it first" in capsys.readouterr().err


def test_a_lost_box_is_on_the_list_that_openssl_reads(bench, capsys):
    sign(bench, request(bench, "box-1"), request(bench, "box-2"))
    assert depot.main(words(bench, "revoke", "box-1", "--out", bench / "crl.pem")) == 0
    for device, code in (("box-1", 2), ("box-2", 0)):
        argv = ["openssl", "verify", "-crl_check", "-CAfile", "broker-ca.pem", "-CRLfile"]
        argv += ["crl.pem", f"crt/{device}.crt"]
        done = subprocess.run(argv, cwd=bench, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
    assert depot.main(words(bench, "revoke", "box-1", "--out", bench / "crl.pem")) == 2
    replaced = provision.request(bench / "new", "box-1", "hue")
    assert sign(bench, replaced) == 0, "its name is free for another box"
    rows = depot.in_force(depot.read_register(bench / "register.csv")).values()
    assert sorted((row.device, row.state) for row in rows) == [
        ("box-1", "issued"), ("box-1", "revoked"), ("box-2", "issued")]  # fmt: skip


def test_labels_say_name_and_code_as_text_and_as_a_qr_code(bench):
    pytest.importorskip("segno")
    sign(bench, *(request(bench, f"box-{n}") for n in range(25)))
    out = bench / "labels.html"
    argv = ["labels", "--register", str(bench / "register.csv"), "--out", str(out)]
    assert depot.main(argv) == 0
    page, rows = out.read_text("utf-8"), depot.read_register(bench / "register.csv")
    assert page.count("<svg") == 25 and page.count('class="sheet"') == 2
    assert all(row.code in page and row.device in page for row in rows)
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}", rows[0].code)


def test_a_qr_code_is_read_back_as_what_the_label_says(bench):
    segno, cv2 = pytest.importorskip("segno"), pytest.importorskip("cv2")
    row = depot.RegisterRow("box-0042", "hue", "a1", "0123-4567-89AB", "2026-01-01", "2028-01-01")
    segno.make(depot.told(row), error="m", micro=False).save(str(bench / "qr.png"), scale=8)
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(cv2.imread(str(bench / "qr.png")))
    assert text == "CITY-EDGE:hue/box-0042:0123-4567-89AB"


def test_files_that_are_none_are_one_line(bench, capsys):
    path = request(bench, "box-1")
    (bench / "register.csv").write_text("a,b\n1,2\n")
    assert sign(bench, path) == 2 and "other columns" in capsys.readouterr().err
    argv = words(bench, "sign", path, "--out", bench / "crt")
    argv[argv.index(str(bench / "ca.key"))] = str(bench / "none")
    assert depot.main(argv) == 2 and "none" in capsys.readouterr().err
