# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page against those who mean it harm: one table for each way in."""

import contextlib
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from asyncio import constants

import pytest
import uvicorn
from starlette.testclient import TestClient

from edge.config import ConfigError, Device
from edge.config.device import Console as ConsoleFacts
from edge.console import gate
from edge.console.slow_client_guard import (
    ALL_MOST,
    EACH_MOST,
    GuardedListener,
    PatientProtocol,
)
from edge.console.web import COOKIE, HEADERS
from edge.daemons import consoled
from edge.daemons.consoled import page_reach
from edge.daemons.page_settings import PageSettings
from tests.console.conftest import PASSWORD, put_case


@pytest.fixture
def client(box):
    """Logged in as the installer; a bug is an answer 500, not an exception in the test."""
    client = TestClient(box.app, follow_redirects=False, raise_server_exceptions=False)
    code = box.console.accounts.first_code
    client.post("/first", data={"code": code, "name": "a", "password": PASSWORD})
    return client


def word(client):
    return re.search(r'name="csrf" content="([^"]+)"', client.get("/live").text)[1]


# Encoded, doubly encoded, absolute, with a drive, a null, a line end; for each route with a name.
TRAVERSALS = [
    "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%252f..%252fetc%252fpasswd",
    "....//....//etc/passwd", "%2fetc%2fpasswd", "..%5c..%5cetc%5cpasswd", "C:%5cwindows",
    "r1%2f..%2f..%2fsecret", "manifest.json%00.jpg", "%0d%0aX-Evil:%201",
    "\u2025/\u2025/etc/passwd", ".manifest.json", "~root", "r1-overview-1.jpg/",
]  # fmt: skip
ROUTES = [
    "/evidence/v-0000000001/{}", "/evidence/{}/r1-overview-1.jpg", "/package/{}", "/cases/{}",
    "/data/picture/{}", "/data/zones/{}", "/static/{}", "/flights/{}",
]  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_no_name_leads_out_of_its_folder(box, client, route):
    put_case(box.state / "evidence", 1)
    (box.folder / "secret").write_text("root:x:0:0")
    for name in TRAVERSALS:
        answer = client.get(route.format(name))
        assert answer.status_code in (303, 307, 400, 404), (route, name, answer.status_code)
        assert "root:" not in answer.text and "x-evil" not in answer.headers


def test_a_link_in_the_evidence_is_not_followed(box, client):
    """Only what the manifest lists is served, and only if it lies in the case's own folder."""
    put_case(box.state / "evidence", 1)
    (box.folder / "secret.jpg").write_text("root:x:0:0")
    picture = box.state / "evidence/v-0000000001/r1/r1-overview-1.jpg"
    picture.unlink()
    picture.symlink_to(box.folder / "secret.jpg")
    answer = client.get("/evidence/v-0000000001/r1-overview-1.jpg")
    assert answer.status_code == 404 and "root:" not in answer.text
    assert b"root:" not in client.get("/package/v-0000000001").content


@pytest.mark.parametrize(
    ("length", "code"),
    [("x", 400), ("-1", 400), ("1e9", 400), ("٣", 400), ("9" * 30, 400), ("99999999", 413)],
)
def test_odd_lengths_are_refused_before_anything_is_read(client, length, code):
    headers = {"content-length": length.encode("utf-8", "replace")}
    answer = client.post("/login", content=b"x", headers=headers)
    assert answer.status_code == code


def test_a_body_without_a_length_is_counted(client, monkeypatch):
    monkeypatch.setattr(gate, "BODY_MAX", 10_000)

    def endless():
        for _ in range(100):
            yield b"a" * 1000

    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/login", content=endless(), headers=headers).status_code == 413


BODIES = [
    b"[]", b"0", b"{}", b"\xff", b"[" * 50_000, b'{"zones": 1, "rules": []}',
    b'{"zones": [1], "rules": []}', b'{"zones": [{"polygon": {}}], "rules": {}}',
    b'{"zones": [{"id": "a", "polygon": [[NaN, 0], [1, 0], [1, 1]]}], "rules": []}',
    b'{"zones": [{"id": "a", "polygon": [[1e999, 0], [1, 0], [1, 1]]}], "rules": []}',
    b'{"zones": [{"id": "a", "polygon": [[1%s, 0], [1, 0], [1, 1]]}], "rules": []}' % (b"0" * 400),
    b'{"zones": [{"id": "<script>", "polygon": [[0, 0], [1, 0], [1, 1]]}], "rules": []}',
    b'{"zones": [{"id": "a", "x": 1, "polygon": [[0, 0], [1, 0], [1, 1]]}], "rules": []}',
    b'{"zones": [], "rules": [1]}',
    json.dumps({"zones": [{"id": "a", "polygon": [[0.1, 0.2]] * 10_000}], "rules": []}).encode(),
    json.dumps({"zones": [{"id": f"z{n}", "polygon": [[0, 0], [1, 0], [1, 1]]} for n in range(101)],
                "rules": []}).encode(),
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", ["/data/zones/north", "/data/zones/north/try"])
def test_no_drawing_breaks_the_site(box, client, path, body):
    before = box.site.read_bytes()
    answer = client.post(path, content=body, headers={"x-csrf": word(client)})
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"] and box.site.read_bytes() == before


# Files that a person could paste: bombs, tags, odd types, script.
SITES = [
    "a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]\ncameras: *b\n",
    "!!python/object/apply:os.system ['id']",
    "cameras: 3", "cameras: [1, null, {}]", "- a", "\x00", "[" * 5000,
    "name: <script>alert(1)</script>\nx: 1",
    "cameras: [{id: '../../x', source: a.mp4}]",
    "cameras: [{id: a, source: 'file:///etc/passwd', x: 1}]",
]  # fmt: skip


@pytest.mark.parametrize("text", SITES)
def test_no_pasted_file_gets_in_or_breaks_the_page(box, client, text):
    before = box.site.read_bytes()
    form = {"csrf": word(client), "version": box.console.site.read().version, "text": text}
    answer = client.post("/setup/site", data=form)
    assert answer.status_code == 422, answer.text[:300]
    assert "<script>alert" not in answer.text
    assert box.site.read_bytes() == before


@pytest.mark.parametrize(
    "text", ["cameras: 3", "cameras: [1, null, {}]", "[", "", "cameras: [{id: 7}]"]
)
@pytest.mark.parametrize("path", ["/live", "/zones", "/cases", "/setup", "/setup/file", "/metrics"])
def test_a_site_file_swapped_for_a_broken_one_breaks_no_page(box, client, path, text):
    box.site.write_text(text)
    assert client.get(path).status_code == 200


def test_requests_during_a_config_swap_see_the_old_or_the_new(box, client):
    """Readers while a writer swaps: every answer is whole."""
    texts = [box.site.read_text("utf-8"), box.site.read_text("utf-8").replace("north", "south")]
    done = threading.Event()

    def swap():
        number = 0
        while not done.is_set():
            number += 1
            box.console.site.save(texts[number % 2], box.console.site.read().version)

    writer = threading.Thread(target=swap)
    writer.start()
    try:
        for _ in range(40):
            answer = client.get("/zones")
            assert answer.status_code == 200
            assert ('data-camera="north"' in answer.text) != ('data-camera="south"' in answer.text)
    finally:
        done.set()
        writer.join()


def test_a_session_cannot_be_brought_along(box, client):
    """A token set beforehand (fixation) is not the one that the log-in gives."""
    client.cookies.clear()
    client.cookies.set(COOKIE, "chosen-by-the-attacker")
    answer = client.post("/login", data={"name": "a", "password": PASSWORD})
    assert answer.status_code == 303
    token = answer.cookies[COOKIE]
    assert token != "chosen-by-the-attacker" and len(token) >= 40
    client.cookies.clear()
    client.cookies.set(COOKIE, "chosen-by-the-attacker")
    assert client.get("/live").headers["location"] == "/login?to=%2Flive"


def test_a_log_out_ends_the_session_on_the_box(client):
    token = client.cookies[COOKIE]
    client.post("/logout", data={"csrf": word(client)})
    client.cookies.set(COOKIE, token)
    assert client.get("/live").headers["location"] == "/login?to=%2Flive"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/live", 200), ("GET", "/nothing", 404), ("GET", "/static/page.css", 200),
        ("GET", "/static/none", 404), ("POST", "/live", 405), ("GET", "/healthz", 200),
        ("POST", "/setup/site", 403), ("GET", "/login", 200), ("PUT", "/healthz", 405),
        ("GET", "/evidence/v-0000000001/x", 404), ("DELETE", "/cases", 405),
    ],
)  # fmt: skip
def test_every_answer_has_the_headers(client, method, path, code):
    answer = client.request(method, path)
    assert answer.status_code == code
    for name in HEADERS:
        assert name.lower() in answer.headers, name


def test_an_answer_to_a_bug_has_the_headers_and_tells_nothing(box, client, monkeypatch):
    def broken(_):
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(type(box.console.site), "read", broken)
    answer = client.get("/setup")
    assert answer.status_code == 500 and "secret" not in answer.text
    assert "content-security-policy" in answer.headers


@pytest.fixture
def served(box):
    """The page on a real port with the protocol of the box; heads are waited for shortly."""
    started = []

    def serve(**options):
        class Hasty(PatientProtocol):
            head_s = 1.0

        listener = GuardedListener("127.0.0.1", 0)
        config = uvicorn.Config(
            box.app, http=Hasty, log_level="critical", lifespan="off", **options
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        started.append((server, thread, listener))
        return listener.getsockname()[1]

    yield serve
    for server, thread, listener in started:
        server.should_exit = True
        thread.join(90)
        listener.close()


def closed(sock, within_s=90.0):
    """Whether the other side hangs up; bytes that come first are returned."""
    sock.settimeout(within_s)
    got = b""
    try:
        while data := sock.recv(4096):
            got += data
    except ConnectionResetError:
        pass
    return got


def healthy(port):
    with socket.create_connection(("127.0.0.1", port), timeout=90) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return b"200 OK" in closed(sock)


def test_a_head_that_trickles_in_is_cut_off(served):
    port = served()
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert closed(slow) == b""
    # Also the second head of a connection that behaved once. On a busy machine the first may come
    # too late as well.
    assert any(b"200 OK" in _second_head(port) for _ in range(5))
    assert healthy(port)


def _second_head(port):
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /he")
        return closed(slow)


def test_one_address_cannot_hold_all_connections(served):
    port = served()
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(EACH_MOST + 20)]
    until = time.monotonic() + 120
    while not healthy_or_false(port):
        assert time.monotonic() < until
    for sock in held:
        sock.close()


def let_in(listener, client):
    """The answer to one connection of `client`, an address of this machine: taken, or None."""
    made = socket.create_connection(listener.getsockname(), source_address=(client, 0))
    try:
        return made, listener.accept()[0]
    except ConnectionAbortedError:
        assert closed(made) == b""
        made.close()
        return None


def test_connections_count_from_the_first_byte_on_until_they_are_closed():
    """Silent ones too: over TLS nobody else hears of them before the handshake is done."""
    with GuardedListener("127.0.0.1", 0) as listener, contextlib.ExitStack() as held:
        clients = [f"127.0.0.{2 + n // EACH_MOST}" for n in range(ALL_MOST)]
        pairs = [let_in(listener, client) for client in clients[: EACH_MOST + 1]]
        assert let_in(listener, clients[0]) is None, "one address"
        pairs += [let_in(listener, client) for client in clients[EACH_MOST + 1 :]]
        for made, taken in pairs:
            held.callback(made.close)
            held.callback(taken.close)
        assert let_in(listener, "127.0.0.99") is None, "all together"
        pairs[0][1].close()
        pairs[0][1].close()
        again = let_in(listener, "127.0.0.99")
        assert again is not None and let_in(listener, "127.0.0.99") is None
        for sock in again:
            sock.close()


@pytest.fixture
def certificate(tmp_path):
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=box"],
        check=True, capture_output=True,
    )  # fmt: skip
    return {"ssl_certfile": cert, "ssl_keyfile": key}


def test_a_silent_connection_over_tls_is_cut_off(served, box, certificate, monkeypatch):
    monkeypatch.setattr(constants, "SSL_HANDSHAKE_TIMEOUT", 60.0)
    monkeypatch.setattr(consoled, "HANDSHAKE_S", 0.3)
    consoled.server_config(box.console, PageSettings(Device(), {}, box.folder))
    port = served(**certificate)
    with socket.create_connection(("127.0.0.1", port)) as silent:
        assert closed(silent, within_s=30.0) == b""


def healthy_or_false(port):
    try:
        return healthy(port)
    except OSError:
        return False


def test_what_is_no_http_gets_headers_too(served):
    with socket.create_connection(("127.0.0.1", served())) as sock:
        sock.sendall(b"\x16\x03\x01\x00\xa5\x01\r\n\r\n")
        got = closed(sock)
    assert b" 400 " in got and b"content-security-policy" in got


def test_a_body_that_trickles_in_is_cut_off(served, monkeypatch):
    monkeypatch.setattr(gate, "BODY_S", 0.5)
    port = served()
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n")
        slow.sendall(b"Content-Type: application/x-www-form-urlencoded\r\n\r\nname=")
        got = closed(slow)
    assert b" 303 " in got or b" 408 " in got


def test_tls_is_served_and_a_bad_certificate_is_one_line(served, certificate, tmp_path):
    port = served(**certificate)
    context = ssl.create_default_context(cafile=str(certificate["ssl_certfile"]))
    context.check_hostname = False
    plain = socket.create_connection(("127.0.0.1", port), timeout=90)
    with context.wrap_socket(plain) as secure:
        secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in closed(secure)
    facts = ConsoleFacts(tls_cert="c.pem", tls_key="none.pem")
    settings = PageSettings(Device(console=facts), {}, tmp_path)
    with pytest.raises(ConfigError, match=re.escape("console.tls_cert")):
        page_reach(settings)
