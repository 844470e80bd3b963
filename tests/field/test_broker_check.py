# SPDX-License-Identifier: AGPL-3.0-or-later
"""Does the broker let this box in: against a real Mosquitto, and against what is no broker."""

import socket
import subprocess
import threading

import pytest

from edge.config import Device
from edge.config.device import Broker
from edge.diagnosis.broker import REFUSALS, check_broker, connack, connect_packet
from edge.ipc import ask as ask_daemon
from tests.uplink.box import Box, Platform
from tests.uplink.test_tls import Authority
from tools.demonstration.processes import free_port
from tools.faultlab.rig import Mosquitto, eventually

LOGIN = "password_file {0}\nallow_anonymous false\n"


def ask(base, port, **broker):
    device = Device(device="box-1", broker=Broker(host="127.0.0.1", port=port, **broker))
    return list(check_broker(device, base))


@pytest.fixture
def brokers():
    started = []

    def start(folder, **options):
        started.append(Mosquitto(folder, **options))
        return started[-1].port

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def secure(brokers, tmp_path):
    """A broker that asks for certificates, and its authority."""
    authority = Authority(tmp_path, "city")

    def start(host="127.0.0.1", days=30):
        cert, key = authority.issue("broker", host=host, days=days)
        extra = f"cafile {authority.path}\ncertfile {cert}\nkeyfile {key}\n"
        return brokers(tmp_path, extra=extra + "require_certificate true\n")

    return start, authority


def last(found):
    return found[-1].level, f"{found[-1].found} -> {found[-1].do_en}"


@pytest.mark.broker
def test_an_open_broker_lets_us_in(brokers, tmp_path):
    found = ask(tmp_path, brokers(tmp_path), tls="off")
    assert [a.level for a in found] == ["remark", "well"]


@pytest.mark.broker
@pytest.mark.parametrize(("password", "level"), [("right", "well"), ("wrong", "wrong")])
def test_a_password_is_tried(brokers, tmp_path, password, level):
    store = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", store, "box", "right"], check=True)
    store.chmod(0o644)
    (tmp_path / "secret").write_text(password + "\n")
    port = brokers(tmp_path, extra=LOGIN.format(store))
    found = ask(tmp_path, port, tls="off", username="box", password_file="secret")
    assert found[-1].level == level, found
    assert level == "well" or "登记" in found[-1].do_zh or "用户名" in found[-1].do_zh


@pytest.mark.broker
def test_the_boxs_certificate_opens_the_door(secure, tmp_path):
    start, authority = secure
    cert, key = authority.issue("box-1")
    found = ask(tmp_path, start(), ca=str(authority.path), cert=str(cert), key=str(key))
    assert [a.level for a in found] == ["well", "well"] or found[0].level == "remark"
    assert "lets this box in" in found[-1].found


# What is wrong -> what the technician reads.
@pytest.mark.broker
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("none", "does not take this box's certificate"),
        ("expired-own", "does not take this box's certificate"),
        ("foreign-own", "does not take this box's certificate"),
        ("foreign-ca", "broker.ca"),
        ("host", "correct broker.host"),
        ("expired", "has expired"),
    ],
)
def test_a_refusal_over_tls_in_words(secure, tmp_path, wrong, said):
    start, authority = secure
    folder = tmp_path / "other"
    folder.mkdir()
    stranger = Authority(folder, "stranger")
    own = (stranger if wrong == "foreign-own" else authority).issue(
        "box-1", days=-1 if wrong == "expired-own" else 30
    )
    pair = {} if wrong == "none" else {"cert": str(own[0]), "key": str(own[1])}
    port = start(
        host="10.9.8.7" if wrong == "host" else "127.0.0.1", days=-1 if wrong == "expired" else 30
    )
    ca = stranger if wrong == "foreign-ca" else authority
    level, words = last(ask(tmp_path, port, ca=str(ca.path), **pair))
    assert level == "wrong" and said in words, words


@pytest.mark.broker
def test_an_older_ca_in_words(brokers, tmp_path):
    authority = Authority(tmp_path, "older", complete=False)
    cert, key = authority.issue("broker")
    extra = f"cafile {authority.path}\ncertfile {cert}\nkeyfile {key}\n"
    port = brokers(tmp_path, extra=extra)
    level, words = last(ask(tmp_path, port, ca=str(authority.path)))
    assert level == "wrong" and "broker.older_ca" in words
    level, _ = last(ask(tmp_path, port, ca=str(authority.path), older_ca=True))
    assert level == "well"


def test_nobody_there_and_a_missing_file_are_one_line(tmp_path):
    (advice,) = ask(tmp_path, free_port(), tls="off")
    assert advice.level == "wrong" and "refused" in advice.found
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (advice,) = ask(tmp_path, port, ca="none.pem")
    assert advice.level == "wrong" and "broker.ca" in advice.found


def test_a_name_that_is_none_is_one_line(tmp_path):
    device = Device(broker=Broker(host="a" * 70, port=1, tls="off"))
    (advice,) = check_broker(device, tmp_path)
    assert advice.level == "wrong" and advice.do_zh


def answering(data):
    """A server that answers the first bytes with these, then hangs up; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with server, server.accept()[0] as peer:
            peer.recv(4096)
            peer.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not MQTT"),
        (b"", "hung up"),
        (b"\x20\x02\x00\x01", "older MQTT"),
        (b"\x20\x03\x00\x8a\x00", "banned"),
        (b"\x20\x0b\x00\x87\x08\x1f\x00\x05no\nCA", "no CA"),
        (b"\x20\x03\x00\xee\x00", "unspecified"),
        (b"\x20\xff\xff\xff", "not MQTT"),
        (b"\x20\x01\x00", "not MQTT"),
        (b"\x20\x85\x01\x00\x97\x81\x01\x1f\x00\x7e" + b"q" * 126, "quota"),
    ],
)
def test_what_it_answers_in_words(tmp_path, data, said):
    level, words = last(ask(tmp_path, answering(data), tls="off"))
    assert level == "wrong" and said in words, words


def test_a_plain_broker_on_the_tls_port(tmp_path):
    level, words = last(ask(tmp_path, answering(b"\x20\x03\x00\x00\x00")))
    assert level == "wrong" and "no TLS there" in words


def test_connect_is_what_the_standard_shows():
    """MQTT 5, 3.1: fixed header, protocol name and version, flags, keep-alive, properties."""
    packet = connect_packet("b", "u", "pw")
    assert packet.hex() == "1015" + "00044d515454" + "05c2000a00" + "000162" + "000175" + "00027077"
    assert connack(iter([b"\x20", b"\x03\x00", b"\x00\x00"]).__next__) == (0, "")
    assert all(code in REFUSALS for code in (0x80, 0x86, 0x87))


@pytest.mark.broker
def test_the_page_asks_uplinkd_and_its_session_stands(brokers, tmp_path, monkeypatch):
    """The question is answered beside the session: the broker does not hang up on the daemon."""
    monkeypatch.setattr("edge.daemons.uplinkd.STATUS_EVERY_S", 0.1)
    box = Box(tmp_path, brokers(tmp_path), Platform()).start()
    try:
        eventually(lambda: box.status()["online"], within_s=60)
        found = ask_daemon(tmp_path / "run", "uplinkd", "broker", limit_s=60)
        assert [row["level"] for row in found.facts["advice"]] == ["remark", "well"]
        assert box.status()["online"] and box.status()["connects"] == 1
    finally:
        box.close()
