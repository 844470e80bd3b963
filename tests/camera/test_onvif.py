# SPDX-License-Identifier: AGPL-3.0-or-later
"""A camera asked for its streams with its login: our own stand-in speaks ONVIF, and checks the
digest by the standard; no real camera was at hand."""

import base64
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from edge.camera.onvif import DEPTH_MAX, DEVICE_PATH, OnvifRefused, OnvifStream, parse_soap, streams

USER, PASSWORD = "admin", "p@ss:/1"
ENVELOPE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{}</s:Body></s:Envelope>'
)
PROFILES = """<m:GetProfilesResponse xmlns:m="m" xmlns:t="t">
<m:Profiles token="main&amp;1"><t:Name>主码流</t:Name>
<t:VideoEncoderConfiguration><t:Encoding>H264</t:Encoding>
<t:Resolution><t:Width>2560</t:Width><t:Height>1440</t:Height></t:Resolution></t:VideoEncoderConfiguration></m:Profiles>
<m:Profiles token="sub"><t:Name>sub</t:Name></m:Profiles></m:GetProfilesResponse>"""


class StandIn(BaseHTTPRequestHandler):
    """Its clock is in 2001, its answers name another host, as behind a router."""

    created = ""
    year, signs = "2001", True
    media = "http://10.9.9.9:81/onvif/Media"
    main = "rtsp://10.9.9.9:8554/ch1?sub=0&amp;x=1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "GetSystemDateAndTime" in body:
            return self.say(
                "<d><UTCDateTime><Time><Hour>3</Hour><Minute>4</Minute><Second>5</Second></Time>"
                f"<Date><Year>{self.year}</Year><Month>2</Month><Day>3</Day></Date></UTCDateTime></d>"
            )
        if self.signs and not self.signed(body):
            return self.say("<s:Fault><Value>ter:NotAuthorized</Value></s:Fault>", 400)
        if "GetCapabilities" in body:
            return self.say(f"<Media><XAddr>{self.media}</XAddr></Media>")
        if "GetProfiles" in body and self.path in ("/onvif/Media", DEVICE_PATH):
            return self.say(PROFILES)
        if "GetStreamUri" in body:
            token = re.search("<ProfileToken>(.*)</ProfileToken>", body)[1]
            uri = self.main if "main" in token else "http://no/stream"
            return self.say(f"<MediaUri><Uri>{uri}</Uri></MediaUri>")
        return self.say("<s:Fault/>", 500)

    def signed(self, body):
        found = re.search(
            r"<w:Username>(.*)</w:Username>.*#PasswordDigest\">(.*)</w:Password><w:Nonce>(.*)"
            r"</w:Nonce>.*>(2001-02-03T03:[^<]*)</u:Created>", body
        )  # fmt: skip
        if not found:
            return False
        user, digest, nonce, created = found.groups()
        right = hashlib.sha1(
            base64.b64decode(nonce) + created.encode() + PASSWORD.encode()
        ).digest()
        return user == USER and base64.b64decode(digest) == right

    def say(self, body, status=200):
        data = ENVELOPE.format(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def camera():
    server = HTTPServer(("127.0.0.1", 0), StandIn)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_streams_with_the_login_in_them_at_the_host_that_was_asked(camera):
    found = streams(camera, USER, PASSWORD)
    address = "rtsp://admin:p%40ss%3A%2F1@127.0.0.1:8554/ch1?sub=0&x=1"
    assert found == [OnvifStream("主码流", "H264", 2560, 1440, address)]


@pytest.mark.parametrize("login", [(USER, "wrong"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_login_is_said(camera, login):
    with pytest.raises(OnvifRefused) as refused:
        streams(camera, *login)
    assert refused.value.cause == "login"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:1",
        "",
        "no host",
        "127.0.0.1:x",
        "a" * 300,
        "摄像机.。",
        "x\ny",
        "127.0.0.1:²",
        "127.0.0.1:99999",
    ],
)
def test_nobody_there(host):
    with pytest.raises(OnvifRefused) as refused:
        streams(host, USER, PASSWORD, wait_s=1.0)
    assert refused.value.cause == "unreachable"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html><p></html>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        b"<a>" * (DEPTH_MAX + 9) + b"</a>" * (DEPTH_MAX + 9),
        bytes(range(256)),
        b'<?xml version="1.0" encoding="none-such"?><a/>',
        b'<?xml version="1.0" encoding="base64"?><a/>',
    ],
)
def test_what_is_no_answer_is_none(data):
    assert parse_soap(data) is None


def test_half_an_address_in_an_answer_is_none(camera, monkeypatch):
    monkeypatch.setattr(StandIn, "media", "http://[fe80::1%eth0/onvif/Media")
    assert [stream.name for stream in streams(camera, USER, PASSWORD)] == ["主码流"]
    monkeypatch.setattr(StandIn, "main", "rtsp://[fe80::1/ch1")
    assert streams(camera, USER, PASSWORD) == []


@pytest.mark.parametrize("year", ["9999", "99999", "99999999999999999999"])
def test_a_clock_that_shows_no_year_is_no_clock(camera, monkeypatch, year):
    monkeypatch.setattr(StandIn, "year", year)
    monkeypatch.setattr(StandIn, "signs", False)
    assert [stream.name for stream in streams(camera, USER, PASSWORD)] == ["主码流"]
