# SPDX-License-Identifier: AGPL-3.0-or-later
"""How a phone gets to the page: a real daemon in the LAN over TLS, its code, its fingerprint."""

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.config import ConfigError, Device
from edge.config.device import Console as ConsoleFacts
from edge.console import page_address
from edge.console.accounts import Accounts
from edge.console.attempts import LoginRefused
from edge.console.page_address import PageReach, lan_addresses, qr_rows
from edge.console.page_certificate import HOW, WHAT, PageCertificate
from edge.daemons import consoled
from edge.daemons.page_settings import PageSettings
from tests.console.conftest import PASSWORD, QUICK
from tools.demonstration.processes import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A page that listens everywhere, as a new box does, in a process of its own."""
    folder = tmp_path_factory.mktemp("box")
    port = free_port()
    (folder / "site.yaml").write_text("cameras: []\n")
    (folder / "device.yaml").write_text(
        f"console: {{port: {port}}}\nfolders: {{state: state, run: run}}\n"
    )
    words = ["consoled", "--site", str(folder / "site.yaml"), "--device"]
    environment = {k: v for k, v in os.environ.items() if k != "JOURNAL_STREAM"}
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "edge", *words, str(folder / "device.yaml")],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            end = time.monotonic() + 150
            while "SHA-256" not in (folder / "log").read_text():
                assert time.monotonic() < end and child.poll() is None
                time.sleep(0.1)
            yield folder, port
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(90)


def told(home, capsys, *more):
    folder, _ = home
    assert main(["code", "--device", str(folder / "device.yaml"), "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def outer_address():
    found = lan_addresses()
    return found[0] if found else "127.0.0.1"


def post(home, path, form):
    """As a phone would that trusts exactly the certificate whose fingerprint it compared."""
    folder, port = home
    context = ssl.create_default_context(cafile=str(folder / "state/console/page/cert.pem"))
    link = http.client.HTTPSConnection(outer_address(), port, context=context, timeout=90)
    head = {"Content-Type": "application/x-www-form-urlencoded"}
    link.request("POST", path, urlencode(form), head)
    answer = link.getresponse()
    answer.read()
    link.close()
    return answer


def test_a_new_box_is_in_the_network_by_tls_with_the_fingerprint_that_it_prints(home, capsys):
    folder, port = home
    facts, address = told(home, capsys), outer_address()
    assert f"https://{address}:{port}/" in facts["urls"]
    context = ssl.create_default_context(cafile=str(folder / "state/console/page/cert.pem"))
    with (
        socket.create_connection((address, port), 10) as plain,
        context.wrap_socket(plain, server_hostname=address) as secure,
    ):
        seen = hashlib.sha256(secure.getpeercert(binary_form=True)).hexdigest()
    assert seen == facts["sha256"]
    spelled = ":".join(re.findall("..", seen.upper()))
    log = (folder / "log").read_text()
    assert spelled in log and facts["code"] in log and f"https://{address}:{port}/" in log


def test_nothing_is_served_without_tls(home):
    _, port = home
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    with pytest.raises((http.client.HTTPException, OSError)):
        link.request("GET", "/healthz")
        link.getresponse()


def test_the_key_is_the_pages_own_and_stays_the_same(home):
    folder, _ = home
    key = folder / "state/console/page/key.pem"
    assert key.stat().st_mode & 0o777 == 0o600 and key.parent.stat().st_mode & 0o777 == 0o700
    settings = PageSettings(
        Device(console=ConsoleFacts(), folders=type(Device().folders)(state="state")), {}, folder
    )
    before = key.read_bytes()
    again = consoled.page_reach(settings)
    assert key.read_bytes() == before and again.certificate is not None


def test_a_lost_password_is_set_anew_with_a_code_of_the_box(home, capsys):
    """The way of docs/install.md: first account, password lost, `edge code --new`, in again."""
    code = told(home, capsys)["code"]
    first = {"code": code, "name": "zhang", "password": PASSWORD}
    assert post(home, "/first", first).status == 303
    assert told(home, capsys)["code"] is None, "used up"
    assert post(home, "/recover", {**first, "password": "another-password"}).status == 403
    new = told(home, capsys, "--new")["code"]
    assert post(home, "/login", {"name": "zhang", "password": "another-password"}).status == 403
    back = post(home, "/recover", {**first, "code": new, "password": "another-password"})
    assert back.status == 303 and "Secure" in back.headers["Set-Cookie"]
    assert post(home, "/login", {"name": "zhang", "password": "another-password"}).status == 303
    assert post(home, "/recover", {**first, "code": new}).status == 403, "once only"


def test_a_recovery_code_ends_after_an_hour_and_ends_older_log_ins(tmp_path):
    from edge.console.accounts import write_code

    accounts = Accounts(tmp_path, session_s=60.0, hasher=QUICK)
    session = accounts.set_up(accounts.first_code, "zhang", PASSWORD, "10.0.0.1")
    code = write_code(tmp_path)
    for hours in (1.001, -1.001, -4000.0):
        os.utime(accounts.code_file, (0, time.time() - 3600 * hours))
        assert accounts.first_code is None, "nor while the clock is behind"
    with pytest.raises(LoginRefused, match="wrong_code"):
        accounts.recover(code, "zhang", PASSWORD, "10.0.0.2")
    code = write_code(tmp_path)
    with pytest.raises(LoginRefused, match="already_set_up"):
        accounts.set_up(code, "zhang", PASSWORD, "10.0.0.2")
    fresh = accounts.recover(code, "zhang", PASSWORD, "10.0.0.2")
    assert accounts.session(session.token) is None and accounts.session(fresh.token) == fresh


def test_edge_code_on_a_terminal_names_all_one_needs(home, capsys):
    folder, port = home
    assert main(["code", "--device", str(folder / "device.yaml")]) == 0
    out = capsys.readouterr().out
    assert f":{port}/" in out and "SHA-256" in out and "█" in out
    assert main(["code", "--device", str(folder / "device.yaml"), "--no-qr"]) == 0
    assert "█" not in capsys.readouterr().out


def test_a_page_that_never_ran_is_one_line(tmp_path, capsys):
    (tmp_path / "device.yaml").write_text("folders: {state: state, run: run}\n")
    assert main(["code", "--device", str(tmp_path / "device.yaml")]) == 2
    assert "never ran" in capsys.readouterr().err


def test_plain_http_is_for_this_box_only(tmp_path):
    for host, plain in (("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)):
        settings = PageSettings(Device(console=ConsoleFacts(host=host)), {}, tmp_path)
        if plain:
            assert consoled.page_reach(settings).urls()[0].startswith("http://")


def test_a_file_that_is_no_certificate_is_one_line(tmp_path):
    (tmp_path / "c.pem").write_text("hello")
    facts = ConsoleFacts(tls_cert="c.pem", tls_key="c.pem")
    with pytest.raises(ConfigError, match=re.escape("console.tls_cert")):
        consoled.page_reach(PageSettings(Device(console=facts), {}, tmp_path))


def test_the_qr_code_on_the_terminal_is_read_by_another_reader():
    url = "https://192.168.100.200:8088/"
    ink = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}
    rows = [[ink[letter][half] for letter in row] for row in qr_rows(url) for half in (0, 1)]
    modules = np.array(rows, np.uint8) * 255
    picture = cv2.copyMakeBorder(
        cv2.resize(modules, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST),
        32, 32, 32, 32, cv2.BORDER_CONSTANT, value=255,
    )  # fmt: skip
    assert cv2.QRCodeDetector().detectAndDecode(picture)[0] == url


def test_words_tell_two_certificates_apart():
    assert len(set(HOW)) == len(set(WHAT)) == 16
    one, other = (
        PageCertificate(Path("c"), Path("k"), hashlib.sha256(word).hexdigest())
        for word in (b"one", b"other")
    )
    for language in ("zh", "en"):
        assert one.words(language) != other.words(language)
    assert one.words("en").count(",") == 5 and len(one.words("zh").split()) == 6


def test_networks_of_containers_are_no_address_for_a_phone(monkeypatch):
    rows = [("lo", "127.0.0.1"), ("docker0", "172.17.0.1"), ("eth0", "192.168.1.5")]
    rows += [("wlan0", "10.0.0.7")]
    monkeypatch.setattr(page_address, "_interfaces", lambda: rows)
    monkeypatch.setattr(page_address, "_towards_the_world", lambda: "10.0.0.7")
    assert lan_addresses() == ["10.0.0.7", "192.168.1.5"]
    assert PageReach("0.0.0.0", 1, None).urls()[0] == "http://10.0.0.7:1/"
    assert PageReach("fd00::1", 1, None).urls() == ["http://[fd00::1]:1/"]


def test_the_screen_of_a_box_shows_the_code_until_it_is_used(tmp_path, monkeypatch):
    path = tmp_path / "page.issue"
    screen, reach = consoled.BoxScreen(path), PageReach("192.168.1.5", 8088, None)
    screen.show(reach, "12345678")
    assert not path.exists(), "only under systemd"
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    screen.show(reach, "12345678")
    text = path.read_text()
    assert "12345678" in text and "192.168.1.5:8088" in text and path.stat().st_mode & 0o77 == 0
    assert not re.search("[一-鿿]", text)
    screen.show(reach, None)
    assert "12345678" not in path.read_text()
