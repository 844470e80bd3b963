# SPDX-License-Identifier: AGPL-3.0-or-later
"""Many tries at once, from many addresses: memory, guesses and the honest visitor."""

import errno
import itertools
import json
import os
import re
import socket
import threading
import time
from collections import Counter
from urllib.parse import quote

import pytest
import uvicorn
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from edge import journal
from edge.config import Device
from edge.config.device import Console as ConsoleFacts
from edge.console import accounts as module
from edge.console.accounts import Accounts
from edge.console.app import make_app
from edge.console.attempts import (
    ADDRESS_TRIES,
    TRIES,
    WAITING_MOST,
    Attempts,
    LoginRefused,
    household,
)
from edge.daemons.consoled import server_config
from edge.daemons.page_settings import PageSettings
from tests.console.conftest import PASSWORD, QUICK
from tools.faultlab.rig import eventually


class Counting(PasswordHasher):
    """How many hashes are made at once, each as slow as a real one."""

    def __init__(self):
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.now = self.most = self.all = 0
        self.mutex, self.open = threading.Lock(), threading.Event()
        self.open.set()

    def verify(self, *words):
        with self.mutex:
            self.all += 1
            self.now += 1
            self.most = max(self.most, self.now)
        self.open.wait(120)
        try:
            return super().verify(*words)
        finally:
            with self.mutex:
                self.now -= 1


@pytest.fixture
def held(tmp_path):
    """Accounts with one installer, and the hasher that counts."""
    hasher = Counting()
    accounts = Accounts(tmp_path, session_s=60.0, hasher=hasher)
    accounts.set_up(accounts.first_code, "zhang", PASSWORD, "10.0.0.1")
    return accounts, hasher


def together(work, count, meanwhile=lambda found: None):
    found = []

    def one(number):
        try:
            found.append(work(number) and "in")
        except LoginRefused as error:
            found.append(str(error))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    meanwhile(found)
    for thread in threads:
        thread.join()
    return found


def test_one_hash_at_a_time_and_few_wait(held):
    """Forty come while the first hash is made: who finds no place is told so before it is done."""
    accounts, hasher = held
    hasher.open.clear()

    def meanwhile(found):
        eventually(lambda: len(found) == 40 - WAITING_MOST)
        assert set(found) == {"busy"}
        hasher.open.set()

    log_in = accounts.log_in
    said = together(lambda n: log_in("zhang", "wrong-password", f"10.0.1.{n}"), 40, meanwhile)
    assert (hasher.most, hasher.all) == (1, WAITING_MOST)
    assert Counter(said) == {"wrong_login": WAITING_MOST, "busy": 40 - WAITING_MOST}


def test_tries_are_counted_before_they_are_judged(held):
    """Forty posts of one client at the same moment are still five tries."""
    accounts, hasher = held
    for _ in range(20):
        together(lambda _: accounts.log_in("zhang", "wrong-password", "10.0.0.9"), 8)
    assert hasher.all <= TRIES
    with pytest.raises(LoginRefused, match="locked"):
        accounts.log_in("zhang", PASSWORD, "10.0.0.9")
    assert accounts.log_in("zhang", PASSWORD, "10.0.0.1"), "an honest one elsewhere comes in"


def test_a_code_is_tried_slowly_whoever_tries(tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    accounts = Accounts(tmp_path, session_s=60.0, hasher=QUICK)
    for number in range(30):
        with pytest.raises(LoginRefused):
            accounts.set_up("0" * 8, "eve", PASSWORD, f"10.1.{number}.1")
    assert sum(slept) >= 15.0, "at most two a second: the eight digits last for years"
    with pytest.raises(LoginRefused, match="wrong_code"):
        accounts.set_up("代码", "eve", PASSWORD, "10.9.9.9")


def test_many_addresses_free_nobody_and_fill_no_memory(held):
    accounts, _ = held
    for _ in range(TRIES):
        with pytest.raises(LoginRefused, match="wrong_login"):
            accounts.log_in("zhang", "wrong-password", "10.0.0.9")
    attempts = accounts._attempts
    for number in range(9_000):
        with attempts.one(f"10.{number // 250}.{number % 250}.7"):
            pass
    with pytest.raises(LoginRefused, match="locked"):
        accounts.log_in("zhang", PASSWORD, "10.0.0.9")


def test_an_address_that_is_locked_out_fills_no_memory():
    """Whatever names it asks for."""
    attempts = Attempts(lambda: 0.0)
    for number in range(ADDRESS_TRIES):
        with attempts.one("10.0.0.9", f"u{number}"):
            pass
    for number in range(200):
        with pytest.raises(LoginRefused, match="locked"), attempts.one("10.0.0.9", f"n{number}"):
            pass
    assert len(attempts._tries) == ADDRESS_TRIES + 1


def test_one_host_has_one_lock_however_many_addresses():
    assert household("2001:db8::1") == household("2001:db8::ffff:2") != household("2001:db8:0:1::1")
    assert household("fe80::1%eth0") == household("fe80::2%eth0")
    assert household("10.0.0.1") != household("10.0.0.2") and household("?") == "?"
    now = itertools.count()
    attempts = Attempts(lambda: float(next(now)))
    for number in range(TRIES):
        with attempts.one(f"2001:db8::{number}"):
            pass
    with pytest.raises(LoginRefused, match="locked"), attempts.one("2001:db8::99"):
        pass


def served(box, **facts):
    """The page on a real socket as consoled serves it: address and a way to end it."""
    device = Device(console=ConsoleFacts(**facts))
    settings = PageSettings(device, {}, box.folder)
    server = uvicorn.Server(server_config(box.console, settings))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)

    def end():
        server.should_exit = True
        thread.join(90)
        listener.close()

    return listener.getsockname()[:2], end


def raw(address, data):
    with socket.create_connection(address, 90) as sock:
        sock.sendall(data)
        sock.settimeout(90)
        got = b""
        while chunk := sock.recv(65536):
            got += chunk
    return got


def post(address, path, body, *headers):
    head = [f"POST {path} HTTP/1.1", "Host: a", "Connection: close", *headers]
    head += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    return raw(address, ("\r\n".join(head) + "\r\n\r\n" + body).encode()).decode()


@pytest.mark.parametrize(("proxies", "freed"), [((), False), (("127.0.0.1",), True)])
def test_a_proxy_is_believed_only_where_it_is_named(box, monkeypatch, proxies, freed):
    monkeypatch.setattr(module, "WRONG_CODE_S", 0.0)
    address, end = served(box, proxies=proxies)
    try:
        wrong = "code=1&name=eve&password=" + PASSWORD
        for _ in range(TRIES):
            assert "403" in post(address, "/first", wrong).splitlines()[0]
        right = f"code={box.console.accounts.first_code}&name=eve&password={PASSWORD}"
        answer = post(address, "/first", right, "X-Forwarded-For: 10.9.8.7")
        assert (answer.splitlines()[0].split()[1] == "303") is freed
        audit = (box.state / "console/audit.jsonl").read_text()
        assert ("10.9.8.7" in audit) is freed and '"127.0.0.1"' in audit
    finally:
        end()


def while_hashing(accounts, hasher, work, change):
    """What `work` raised, where `change` is done while its password is being verified."""
    raised, before = [], hasher.all

    def run():
        try:
            work()
        except LoginRefused as error:
            raised.append(str(error))

    hasher.open.clear()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    eventually(lambda: hasher.all > before)
    change()
    hasher.open.set()
    thread.join(120)
    return raised


NEW = "another-long-one"


@pytest.mark.parametrize("way", ["password", "login"])
def test_an_account_that_is_removed_stays_so(held, way):
    """Whatever it was just doing."""
    accounts, hasher = held
    accounts.add("li", PASSWORD, "installer")
    own = accounts.log_in("li", PASSWORD, "10.0.0.2")
    tokens = set(accounts._sessions)
    work = {
        "password": lambda: accounts.change_password(own, PASSWORD, NEW, "10.0.0.2"),
        "login": lambda: accounts.log_in("li", PASSWORD, "10.0.0.2"),
    }[way]
    raised = while_hashing(accounts, hasher, work, lambda: accounts.remove("li"))
    assert raised == [{"password": "account_gone", "login": "wrong_login"}[way]]
    assert accounts.names() == {"zhang": "installer"}
    assert set(json.loads((accounts.folder / "accounts.json").read_bytes())) == {"zhang"}
    assert set(accounts._sessions) <= tokens - {own.token}


def test_an_account_that_is_demoted_stays_so(held):
    accounts, hasher = held
    accounts.add("li", PASSWORD, "installer")
    own = accounts.log_in("li", PASSWORD, "10.0.0.2")
    demote = lambda: accounts.set_role("li", "viewer")  # noqa: E731
    change = lambda: accounts.change_password(own, PASSWORD, NEW, "10.0.0.2")  # noqa: E731
    assert while_hashing(accounts, hasher, change, demote) == []
    assert accounts.names()["li"] == "viewer" and accounts.session(own.token) is None
    assert accounts.log_in("li", NEW, "10.0.0.2").role == "viewer"


def test_a_log_in_with_the_password_before_opens_nothing(held):
    accounts, hasher = held
    accounts.add("li", PASSWORD, "viewer")
    stored = hasher.hash(NEW)

    def set_anew():
        with accounts._changing:
            accounts._put("li", stored, "viewer")

    login = lambda: accounts.log_in("li", PASSWORD, "10.0.0.2")  # noqa: E731
    assert while_hashing(accounts, hasher, login, set_anew) == ["wrong_login"]


def test_a_session_counts_for_the_account_as_it_is(held):
    accounts, _ = held
    accounts.add("li", PASSWORD, "reviewer")
    own = accounts.log_in("li", PASSWORD, "10.0.0.2")
    assert accounts.session(own.token) == own
    accounts._accounts = {**accounts._accounts, "li": {**accounts._accounts["li"], "role": "x"}}
    assert accounts.session(own.token) is None
    del accounts._accounts["li"]
    assert accounts.session(own.token) is None


def test_nothing_changes_where_the_disk_does_not_take_it(held, monkeypatch):
    accounts, _ = held

    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_atomic", full)
    for work in (
        lambda: accounts.add("li", PASSWORD, "viewer"),
        lambda: accounts.set_password("zhang", NEW),
    ):
        with pytest.raises(OSError, match="No space"):
            work()
    assert accounts.names() == {"zhang": "installer"}
    assert accounts.log_in("zhang", PASSWORD, "10.0.0.2")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_people_come_in_where_the_disk_takes_no_record(box, monkeypatch, caplog, number):
    """They are who can make room; what they did stands in the log of the box."""
    client = TestClient(box.app, follow_redirects=False)
    code = box.console.accounts.first_code
    client.post("/first", data={"code": code, "name": "zhang", "password": PASSWORD})

    def full(path):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(journal, "_opened", full)
    for password, answer in (("wrong-password", 403), (PASSWORD, 303)):
        client.cookies.clear()
        form = {"name": "zhang", "password": password}
        assert client.post("/login", data=form).status_code == answer
    assert client.get("/live").status_code == 200
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 2 and all(os.strerror(number) in line for line in told)
    assert '"who": "zhang", "what": "logged in"' in told[1]


def test_who_may_not_even_try_writes_no_line(box, monkeypatch):
    monkeypatch.setattr(module, "WRONG_CODE_S", 0.0)
    client = TestClient(box.app, follow_redirects=False)
    for _ in range(50):
        client.post("/first", data={"code": "1", "name": "eve", "password": PASSWORD})
    assert len((box.state / "console/audit.jsonl").read_text().splitlines()) == TRIES


def test_the_audit_log_is_bounded(box, monkeypatch):
    monkeypatch.setattr(module, "AUDIT_BYTES", 1000)
    for _ in range(100):
        box.console.accounts.audit("zhang", "x" * 50)
    assert sum(p.stat().st_size for p in (box.state / "console").glob("audit*")) < 3000


def test_a_stranger_s_form_is_small(box):
    client = TestClient(box.app, follow_redirects=False)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for length in (20_000, 1_400_000):
        form = b"code=" + b"1" * length
        assert client.post("/first", content=form, headers=kind).status_code == 413
        assert client.post("/first", content=iter([form]), headers=kind).status_code == 413


BOTH = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [BOTH, BOTH.replace("chunked", "Chunked"), BOTH.replace("4", "5\r\nContent-Length: 5"),
     "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", "Content-Length: +5\r\n\r\nabcde",
     "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
)  # fmt: skip
def test_a_request_of_two_lengths_is_one_request(box, head):
    """What follows it is never read as a second one."""
    address, end = served(box)
    try:
        smuggled = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        got = raw(address, f"POST /first HTTP/1.1\r\nHost: a\r\n{head}{smuggled}".encode())
    finally:
        end()
    assert len(re.findall(rb"^HTTP/1.1 ", got, re.M)) == 1
    assert got.split()[1] in (b"400", b"501")


HOSTS = ["a/static/?", "a/static/", "x/healthz?", "a#", "/static/", "a/login?x=", "[::1]/static/?"]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/data/status", "/metrics", "/cases", "/setup/accounts"])
def test_the_host_header_opens_nothing(box, host, path):
    """The path that is asked for counts, not a URL made of what the visitor wrote."""
    import asyncio

    async def ask(app):
        told = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            told.append(message)

        scope = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http",
                 "path": path, "raw_path": path.encode(), "query_string": b"",
                 "headers": [(b"host", host.encode())], "server": ("x", 80),
                 "client": ("10.0.0.1", 1), "root_path": ""}  # fmt: skip
        await app(scope, receive, send)
        return told[0]

    box.console.accounts.set_up(box.console.accounts.first_code, "a", PASSWORD, "here")
    answer = asyncio.run(ask(make_app(box.console)))
    assert (answer["status"], dict(answer["headers"]).get(b"location")) == (
        303,
        b"/login?to=" + quote(path, safe="").encode(),
    )
