# SPDX-License-Identifier: AGPL-3.0-or-later
"""Notices to chats over real TLS to our own stand-in of the three chats: bodies, signatures, quiet
hours, bounds, retries, and that one bad chat is one fault whose address nobody learns."""

import base64
import hashlib
import hmac
import json
import logging
import sqlite3
import ssl
import threading
import time
from contextlib import closing
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from edge.clock import SystemClock
from edge.config import ConfigError, Device
from edge.config.paths import box_files
from edge.console import page_certificate
from edge.daemons.notice_desk import NoticeDesk, notice_of
from edge.faults import FaultLog
from edge.notices.bodies import refusal
from edge.notices.hooks import HOOK_KINDS, Hook, hooks_file, read_hooks, write_hooks
from edge.notices.sender import QUEUE_MOST, Notice, NoticeSender, post_notice
from edge.outbox import Outbox
from tests.daemons.guards import guard_in
from tests.small_disk import fill, small_disk

NOON = datetime(2026, 5, 1, 12, 0)
SECRET = "SEC-of-no-chat"


class Chat(BaseHTTPRequestHandler):
    """Answers as the three do: 200 with a number in the body, also where it refuses."""

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.got.append((self.path, body))
        code = 0 if server.takes and "good" in self.path else 93000
        data = json.dumps({"errcode": code, "errmsg": f"no: {server.url}"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def chat(tmp_path, monkeypatch):
    """A chat behind TLS whose certificate this process trusts."""
    page_certificate.make(tmp_path / "tls", ["localhost", "127.0.0.1"])
    cert, key = tmp_path / "tls/cert.pem", tmp_path / "tls/key.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    server = HTTPServer(("127.0.0.1", 0), Chat)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.got, server.takes = [], True
    server.url = f"https://127.0.0.1:{server.server_port}/good?key=abcd-very-secret-1234"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def hook(url="https://h.example/x", **more):
    return Hook(id=more.pop("id", "hook-1"), name="值班群", url=url, **more)


def told(texts):
    return texts.append


@pytest.mark.parametrize("kind", HOOK_KINDS)
def test_each_kind_has_its_body(chat, kind):
    assert post_notice(hook(chat.url, kind=kind), "疑似 <b>", 1.0) is None
    _, body = chat.got[0]
    where = {
        "wecom": ("text", "content"),
        "dingtalk": ("text", "content"),
        "feishu": ("content", "text"),
    }
    found = body
    for key in where.get(kind, ("text",)):
        found = found[key]
    assert found == "疑似 <b>"


def test_signatures_are_those_of_the_documents(chat):
    post_notice(hook(chat.url, kind="dingtalk", secret=SECRET), "a", 1_700_000_000.5)
    query = parse_qs(urlsplit(chat.got[0][0]).query)
    stamp = query["timestamp"][0]
    right = hmac.new(SECRET.encode(), f"{stamp}\n{SECRET}".encode(), hashlib.sha256).digest()
    assert base64.b64decode(query["sign"][0]) == right and stamp == "1700000000500"
    post_notice(hook(chat.url, kind="feishu", secret=SECRET), "a", 1_700_000_000.5)
    body = chat.got[1][1]
    key = f"{body['timestamp']}\n{SECRET}".encode()
    assert base64.b64decode(body["sign"]) == hmac.new(key, b"", hashlib.sha256).digest()


@pytest.mark.parametrize("url", ["https://[qyapi.weixin.qq.com/x", "https://[::1"])
def test_an_address_that_is_none_is_a_refusal_and_can_be_shown(url):
    one = hook(url)
    assert post_notice(one, "a", 1.0) == "ValueError"
    assert one.shown_url == f"/…{url[-4:]}"


@pytest.mark.parametrize("said", [b"[" * 16_000, b"{" * 16_000, b"[]", b"\xff", b"", b"1"])
def test_an_answer_that_is_none_is_a_refusal(said):
    assert refusal(hook("https://a/x", kind="wecom"), 200, said) == "no JSON answer"


def test_a_refusal_in_a_good_answer_is_seen_and_says_no_address(chat):
    chat.takes = False
    said = post_notice(hook(chat.url), "a", 1.0)
    assert "93000" in said and "secret" not in said


def test_who_shows_another_certificate_gets_nothing(chat, monkeypatch, tmp_path):
    page_certificate.make(tmp_path / "other", ["localhost"])
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other/cert.pem"))
    assert "certificate" in post_notice(hook(chat.url), "a", 1.0) and chat.got == []


def notice(number, category="street-vendor"):
    return Notice(f"case {number}", category, category or "fault", f"text {number}")


class Post:
    """What was posted, and whether it is taken."""

    def __init__(self, *bad):
        self.sent, self.bad = [], set(bad)

    def __call__(self, hook, text, wall):
        self.sent.append((hook.id, text))
        return "no" if hook.id in self.bad else None


def test_a_chat_hears_what_it_asked_for():
    post = Post()
    sender = NoticeSender(lambda *_: None, post)
    sender.use([
        hook(id="all"), hook(id="dust", categories=("dust-level",)),
        hook(id="faults", cases=False, faults=True), hook(id="off", enabled=False),
    ])  # fmt: skip
    for one in (notice(1), notice(2, "dust-level"), notice(3, None)):
        sender.put(one)
    for second in range(20):
        sender.step(float(second), 0.0, NOON)
    assert post.sent == [
        ("all", "text 1"),
        ("dust", "text 2"),
        ("faults", "text 3"),
        ("all", "text 2"),
    ]


@pytest.mark.parametrize(
    ("quiet", "at", "silent"),
    [
        ("22:00-07:00", "23:30", True), ("22:00-07:00", "06:59", True),
        ("22:00-07:00", "07:00", False), ("22:00-07:00", "12:00", False),
        ("12:00-13:00", "12:00", True), ("12:00-13:00", "13:00", False), (None, "03:00", False),
    ],
)  # fmt: skip
def test_quiet_hours(quiet, at, silent):
    assert hook(quiet=quiet).silent_at(datetime.strptime(at, "%H:%M")) is silent


def test_what_came_in_quiet_hours_is_told_as_one_after_them():
    post = Post()
    sender = NoticeSender(lambda *_: None, post)
    sender.use([hook(quiet="22:00-07:00")])
    for number in range(QUEUE_MOST + 30):
        sender.put(notice(number))
    sender.step(0.0, 0.0, NOON.replace(hour=23))
    assert post.sent == []
    sender.step(1.0, 0.0, NOON)
    (sent,) = post.sent
    assert f"共 {QUEUE_MOST + 30} 条" in sent[1] and f"text {QUEUE_MOST + 29}" in sent[1]
    assert sender.status()["hook-1"]["waiting"] == 0, "bounded, and nothing is told twice"


def test_one_bad_chat_is_one_fault_and_disturbs_no_other():
    post, faults = Post("bad"), []
    sender = NoticeSender(lambda hook, wrong, line: faults.append((hook.id, wrong)), post)
    sender.use([hook(id="bad"), hook(id="fine")])
    for second in range(4000):
        if second % 10 == 0:
            sender.put(notice(second))
        sender.step(float(second), 0.0, NOON)
    tries = [name for name, _ in post.sent].count("bad")
    assert ("bad", True) in faults and ("fine", True) not in faults
    assert tries < 60, "retried with growing pauses"
    assert [text for name, text in post.sent if name == "fine"][-1].endswith("3990")
    post.bad.clear()
    for second in range(4000, 5200):
        sender.step(float(second), 0.0, NOON)
    assert faults[-1] == ("bad", False) or ("bad", False) in faults[-5:]


def test_the_file_is_strict_and_its_error_names_no_address(tmp_path):
    path = hooks_file(tmp_path)
    assert read_hooks(path) == ()
    write_hooks(path, [hook("https://h.example/very-secret")])
    assert read_hooks(path)[0].url.endswith("very-secret")
    assert path.stat().st_mode & 0o007 == 0
    path.write_text('[{"id": "a", "name": "b", "url": "https://h/very-secret", "x": 1}]')
    with pytest.raises(ConfigError) as error:
        read_hooks(path)
    assert "secret" not in str(error.value)
    assert "secret" not in hook("https://h.example/very-secret-1234").shown_url
    for bad in ("ftp://h/x", "https://user@h/x", "h", "https://h/x y"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"id": "a", "name": "b", "url": bad}, Hook)


def case(number, revision=1):
    names = {"zh": "无照经营游商", "en": "street vending"}
    source = {"id": "north", "name": "北口"}
    facts = {"category": "street-vendor", "names": names, "source": source}
    return {"id": f"v-{number:010d}", "revision": revision, **facts}


@pytest.fixture
def desk(tmp_path, chat):
    """The desk over a real outbox and a chat behind real TLS."""
    (tmp_path / "state").mkdir()
    yield from desk_in(tmp_path)


def desk_in(tmp_path):
    (tmp_path / "site.yaml").write_text("cameras: []\n")
    device = Device(folders=type(Device().folders)(state="state", run="run"))
    where = box_files(device, tmp_path / "site.yaml", tmp_path / "device.yaml")
    clock, raised = SystemClock(), []
    outbox = Outbox(where.outbox)
    faults = FaultLog(clock.now, lambda fault, stands: raised.append(fault))
    made = NoticeDesk(where, faults, guard_in(tmp_path))
    yield made, outbox, faults, where
    outbox.close()


def put(outbox, number, revision=1):
    key = f"v-{number}:{revision}"
    outbox.put(lane="violation", kind="violation", key=key, body=case(number, revision))


def until(chat, desk, count):
    end = time.monotonic() + 120
    while len(chat.got) < count:
        assert time.monotonic() < end
        desk.step()
        time.sleep(0.2)


def test_new_cases_and_faults_reach_the_chat_once(desk, chat, caplog):
    caplog.set_level(logging.DEBUG)
    made, outbox, faults, where = desk
    put(outbox, 1)
    write_hooks(hooks_file(where.state), [hook(chat.url, faults=True)])
    made.step()
    assert chat.got == [], "what happened before the chat was named is no news"
    put(outbox, 2)
    put(outbox, 2, revision=2)
    fault = {
        "kind": "stream_stall",
        "subject": "north",
        "phase": "start",
        "text": "x",
        "at": {"mono": 1},
    }
    outbox.put(lane="fault", kind="fault", key="f", body=fault)
    until(chat, made, 2)
    texts = [body["text"]["content"] for _, body in chat.got]
    assert "无照经营游商" in texts[0] and "v-0000000002" in texts[0] and "人工审核" in texts[0]
    assert "码流中断" in texts[1] and "north" in texts[1]
    again = NoticeDesk(where, faults, guard_in(where.state))
    again.step()
    again.step()
    assert len(chat.got) == 2, "a restart tells nothing twice"
    put(outbox, 3)
    until(chat, again, 3)
    chat.takes = False
    for number in range(4, 8):
        put(outbox, number)
    end = time.monotonic() + 120
    while faults.find("notice_failed", "hook-1") is None:
        assert time.monotonic() < end
        again.step()
        time.sleep(0.2)
    text = faults.find("notice_failed", "hook-1").text
    assert "secret" not in text + caplog.text and "93000" in text


def test_what_waits_for_a_chat_outlives_a_restart(desk, chat):
    made, outbox, faults, where = desk
    quiet = hook(chat.url, quiet="00:00-24:00")
    write_hooks(hooks_file(where.state), [quiet])
    made.step()
    for number in (1, 2):
        put(outbox, number)
    made.step()
    assert made.status()["hook-1"]["waiting"] == 2 and chat.got == []
    again = NoticeDesk(where, faults, guard_in(where.state))
    again.step()
    assert again.status()["hook-1"]["waiting"] == 2
    write_hooks(hooks_file(where.state), [msgspec.structs.replace(quiet, quiet=None)])
    until(chat, again, 2)
    texts = [body["text"]["content"] for _, body in chat.got]
    assert ["v-0000000001" in texts[0], "v-0000000002" in texts[1]] == [True, True]
    last = NoticeDesk(where, faults, guard_in(where.state))
    last.step()
    assert last.status()["hook-1"]["waiting"] == 0, "nothing is told twice"


@pytest.fixture
def small_desk(tmp_path, chat):
    """The same, its state on a disk of two megabytes."""
    with small_disk(tmp_path / "state", "size=2m"):
        yield from desk_in(tmp_path)


def steps(desk, number=6):
    for _ in range(number):
        desk.step()


def test_a_full_disk_holds_notices_back_until_they_can_be_remembered(small_desk, chat):
    made, outbox, faults, where = small_desk
    write_hooks(hooks_file(where.state), [hook(chat.url)])
    made.step()
    put(outbox, 1)
    filling = fill(where.state)
    for desk in (made, NoticeDesk(where, faults, guard_in(where.state))):
        steps(desk)
        assert chat.got == [], "a restart would tell it again"
    filling.unlink()
    until(chat, desk, 1)
    steps(NoticeDesk(where, faults, guard_in(where.state)))
    assert len(chat.got) == 1


def test_a_disk_that_fills_while_a_chat_is_told_ends_nothing(small_desk, chat, monkeypatch):
    made, outbox, faults, where = small_desk
    write_hooks(hooks_file(where.state), [hook(chat.url)])
    made.step()
    put(outbox, 1)
    filled = []

    def post(*words):
        filled.append(fill(where.state))
        return post_notice(*words)

    monkeypatch.setattr(made._sender, "_post", post)
    until(chat, made, 1)
    steps(made)
    assert len(chat.got) == len(filled) == 1
    filled[0].unlink()
    steps(made)
    steps(NoticeDesk(where, faults, guard_in(where.state)))
    assert len(chat.got) == 1


def test_what_was_kept_is_read_leniently(desk, chat):
    """A file of a program before this one, and one that is damaged for a chat."""
    _, outbox, faults, where = desk
    put(outbox, 1)
    memory = where.state / "notices-told.json"
    write_hooks(hooks_file(where.state), [hook(chat.url, faults=True)])
    for kept, lost in (
        (["case v-0000000001"], 0),
        ({"known": ["case v-0000000001"], "waiting": {"hook-1": {"notices": [1]}}}, 1),
        ({"known": 5, "waiting": []}, 0),
    ):
        memory.write_text(json.dumps(kept))
        again = NoticeDesk(where, faults, guard_in(where.state))
        again._read_hooks()
        assert again.status()["hook-1"]["lost"] == lost


def test_a_case_that_was_sealed_before_anybody_looked_is_told(desk, chat):
    """Online, a record is sealed within milliseconds of being put."""
    made, outbox, _, where = desk
    write_hooks(hooks_file(where.state), [hook(chat.url)])
    made.step()
    put(outbox, 7)
    with closing(sqlite3.connect(where.outbox)) as db, db:
        sealed = json.dumps({"id": "b:1:v1", "data": case(7)}).encode()
        db.execute("UPDATE record SET body = NULL, payload = ?", (sealed,))
    until(chat, made, 1)
    assert "v-0000000007" in chat.got[0][1]["text"]["content"]


def test_rows_that_are_no_news():
    for kind, body in (
        ("violation", "{"), ("violation", "[]"), ("violation", "{}"),
        ("violation", json.dumps(case(1, revision=2))),
        ("fault", json.dumps({"kind": "notice_failed", "phase": "start"})),
        ("fault", json.dumps({"kind": "disk", "phase": "end"})),
    ):  # fmt: skip
        assert notice_of(kind, "k", body) is None
