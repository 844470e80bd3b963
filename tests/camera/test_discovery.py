# SPDX-License-Identifier: AGPL-3.0-or-later
"""WS-Discovery: a fake camera answers the real probe; hostile answers are nothing."""

import socket
import threading

import pytest

from edge.camera.discovery import GROUP, Nearby, discover, parse_match

MATCH = """<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl">
<s:Body><d:ProbeMatches><d:ProbeMatch><d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types>
<d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/HIKVISION%20DS-2CD
 onvif://www.onvif.org/hardware/DS-2CD2T47 onvif://www.onvif.org/location/city</d:Scopes>
<d:XAddrs>http://10.9.9.9/onvif/device_service</d:XAddrs></d:ProbeMatch></d:ProbeMatches></s:Body>
</s:Envelope>"""
HIK = Nearby(
    "127.0.0.1",
    "HIKVISION DS-2CD",
    "DS-2CD2T47",
    "rtsp://user:password@127.0.0.1:554/Streaming/Channels/102",
)


class Responder(threading.Thread):
    """A camera on the loopback: answers each probe with the given datagrams."""

    def __init__(self, *answers):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.answers, self.asked = answers, b""
        self.start()

    def run(self):
        self.asked, who = self.sock.recvfrom(65_536)
        for answer in self.answers:
            self.sock.sendto(answer, who)

    @property
    def target(self):
        return self.sock.getsockname()


def test_a_camera_answers_once_for_all_its_answers():
    # The longer waits are for a machine that is busy with something else.
    for wait_s in (1.0, 10.0, 60.0):
        camera = Responder(b"noise", MATCH.encode(), MATCH.encode())
        found = discover([camera.target], wait_s=wait_s)
        camera.sock.close()
        if found:
            break
    assert found == (HIK,)
    assert b"NetworkVideoTransmitter" in camera.asked and b"uuid:" in camera.asked


def test_nobody_answers():
    camera = Responder()
    assert discover([camera.target], wait_s=0.1) == ()
    camera.sock.close()
    assert isinstance(discover([GROUP], wait_s=0.05), tuple)


BOMB = MATCH.replace(
    "<s:Envelope",
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]><s:Envelope',
    1,
).replace("DS-2CD2T47", "&b;")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<",
        b"\xff\xfe\x00",
        BOMB.encode(),
        MATCH.replace("NetworkVideoTransmitter", "Printer").encode(),
        MATCH.replace("2005/04/discovery", "other").encode(),
        MATCH.encode()[:400],
        b"<a>" * 5000,
        MATCH.replace('"1.0"', '"1.0" encoding="none-such"').encode(),
        MATCH.replace('"1.0"', '"1.0" encoding="rot13"').encode(),
    ],
)
def test_what_is_no_camera_is_nothing(data):
    assert parse_match(data, "10.0.0.5") is None


def test_names_of_strangers_are_short_and_printable():
    odd = MATCH.replace("HIKVISION%20DS-2CD", "%3Cscript%3E%0A" + "x" * 3000)
    found = parse_match(odd.encode(), "10.0.0.5")
    assert len(found.name) <= 64 and found.name.isprintable() and found.host == "10.0.0.5"
    assert found.source == "rtsp://user:password@10.0.0.5:554/"
