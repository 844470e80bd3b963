# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sound to a camera's loudspeaker: what a camera hears of it, decoded by FFmpeg and compared."""

import contextlib
import re
import socket
import struct
import threading
import time
import wave

import av
import numpy as np
import pytest

from edge.camera import backchannel
from edge.camera.backchannel import (
    PACKET_SAMPLES,
    NoBackchannel,
    control_url,
    g711,
    read_sound,
    sound_track,
    speak,
)
from edge.camera.url import parse_source
from edge.pipeline.reminder import Reminders
from edge.values import Prompt, Stamp
from tests.machine_time import in_real_time
from tools.fakes.camera import clip
from tools.fakes.rtsp_camera import Manners, RtspCamera

NAMES = {"PCMU": "pcm_mulaw", "PCMA": "pcm_alaw"}
PICTURES = clip("h264", 320, 180, seconds=2.0, key_s=1.0)


def decoded(data, law):
    """By FFmpeg, which is not ours."""
    decoder = av.CodecContext.create(NAMES[law], "r")
    decoder.sample_rate, decoder.layout = 8000, "mono"
    frames = [f for p in [av.Packet(data)] for f in decoder.decode(p)]
    return np.concatenate([f.to_ndarray().reshape(-1) for f in frames]).astype(np.int32)


def tone(seconds=1.0, rate=8000):
    at = np.arange(int(seconds * rate)) / rate
    return (9000 * np.sin(2 * np.pi * (300 + 500 * at) * at)).astype(np.int16)


@pytest.mark.parametrize("law", NAMES)
def test_every_sample_is_coded_as_near_as_the_law_allows(law):
    every = np.arange(-32768, 32768).astype(np.int16)
    got = decoded(g711(every, law), law)
    error = np.abs(got - every.astype(np.int32))
    # Half a step: 1/32 of the size, which mu-law counts from 132 below nought.
    allowed = np.maximum((np.abs(every.astype(np.int32)) + 132) / 32, 8)
    loud = np.abs(every.astype(np.int32)) <= 32124
    assert (error[loud] <= allowed[loud]).all()


@pytest.mark.parametrize("law", NAMES)
@pytest.mark.parametrize("auth", ["", "basic", "md5", "both"])
@in_real_time()
def test_a_camera_hears_what_was_said(law, auth):
    said = tone()
    with RtspCamera(PICTURES, Manners(speaker=law, auth=auth)) as camera:
        url = camera.url.replace("rtsp://", "rtsp://admin:12345@")
        began = time.monotonic()
        track = speak(parse_source(url), said)
        took_s = time.monotonic() - began
        heard = list(camera.heard)
    assert track.law == law
    heads = [struct.unpack(">BBHII", packet[:12]) for _, packet in heard]
    assert {head[0] for head in heads} == {0x80}
    assert [head[1] & 0x7F for head in heads] == [track.payload_type] * len(heads)
    assert np.all(np.diff([head[2] for head in heads]) % 65536 == 1)
    assert np.all(np.diff([head[3] for head in heads]) % (1 << 32) == PACKET_SAMPLES)
    got = decoded(b"".join(packet[12:] for _, packet in heard), law)
    assert len(got) == len(said)
    noise = np.mean((got - said) ** 2.0)
    assert 10 * np.log10(np.mean(said**2.0) / noise) > 30.0
    # In real time: a camera's buffer is small.
    assert 0.9 < heard[-1][0] - heard[0][0] < 3.0
    assert took_s < 20.0


@pytest.mark.parametrize(
    ("manners", "password", "said"),
    [
        (Manners(), "12345", "551"),
        (Manners(speaker="PCMU", auth="md5"), "wrong", "refused the log-in"),
        (
            Manners(speaker="PCMU", sdp=b"v=0\r\nm=video 0 RTP/AVP 96\r\n"),
            "12345",
            "no loudspeaker",
        ),
    ],
)
def test_a_camera_that_takes_no_sound_says_why(manners, password, said):
    with RtspCamera(PICTURES, manners) as camera:
        url = camera.url.replace("rtsp://", f"rtsp://admin:{password}@")
        with pytest.raises(NoBackchannel, match=said) as caught:
            speak(parse_source(url), tone(0.1))
    assert password not in str(caught.value) or password == "12345"
    with pytest.raises(NoBackchannel, match="refused"):
        speak(parse_source(f"rtsp://u:geheim@127.0.0.1:{camera.port}/s"), tone(0.1))


AUDIO = "m=audio 0 RTP/AVP {types}\r\n{lines}a=control:{control}\r\na={way}\r\n"


@pytest.mark.parametrize(
    ("sdp", "found"),
    [
        (AUDIO.format(types=0, lines="", control="t4", way="sendonly"), ("t4", 0, "PCMU")),
        (AUDIO.format(types="97 8", lines="a=rtpmap:97 MPEG4-GENERIC/16000\r\n",
                      control="rtsp://h/x", way="sendonly"), ("rtsp://h/x", 8, "PCMA")),
        (AUDIO.format(types=98, lines="a=rtpmap:98 PCMU/8000/1\r\n", control="t", way="sendonly"),
         ("t", 98, "PCMU")),
        (AUDIO.format(types=0, lines="", control="t4", way="recvonly"), None),
        (AUDIO.format(types=98, lines="a=rtpmap:98 PCMU/16000\r\n", control="t", way="sendonly"),
         None),
        (AUDIO.format(types="² " + "9" * 5000 + " 8", lines="", control="t", way="sendonly"),
         ("t", 8, "PCMA")),
        (AUDIO.format(types="x 999", lines="", control="t", way="sendonly"), None),
        ("m=audio\r\na=sendonly\r\n", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_track_that_takes_sound(sdp, found):
    track = sound_track("v=0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n" + sdp)
    assert found == (track and (track.control, track.payload_type, track.law))


def test_addresses_of_tracks():
    assert control_url("rtsp://h/s/", "track3") == "rtsp://h/s/track3"
    assert control_url("rtsp://h/s", "*") == "rtsp://h/s"
    assert control_url("rtsp://h/s", "rtsp://h/other") == "rtsp://h/other"


def test_a_reminder_goes_from_a_recording_of_the_site_to_the_camera(tmp_path):
    path = tmp_path / "leave.wav"
    rate = 44_100
    samples = tone(0.5, rate)
    with wave.open(str(path), "wb") as out:
        out.setparams((2, 2, rate, len(samples), "NONE", ""))
        out.writeframes(np.repeat(samples, 2).tobytes())
    assert len(read_sound(path)) == pytest.approx(4000, abs=20)
    with RtspCamera(PICTURES, Manners(speaker="PCMA")) as camera:
        reminders = Reminders({"north": camera.url})
        told = Prompt("k", "north", "street-vendor", Stamp(1, 2), f"camera:{path}", "请离开", "go")
        reminders.perform(told)
        until = time.monotonic() + 90
        while not (reminders.done or reminders.failed) and time.monotonic() < until:
            time.sleep(0.05)
        heard = decoded(b"".join(packet[12:] for _, packet in camera.heard), "PCMA")
    assert (reminders.done, reminders.failed) == (1, 0)
    near = np.correlate(heard[:4000] / 9000, tone(0.5) / 9000, "full").max() / (4000 / 2)
    assert near > 0.95


def test_a_file_without_sound_is_said_in_one_line(tmp_path):
    (tmp_path / "x.wav").write_bytes(b"RIFF")
    with pytest.raises(OSError, match="no sound"):
        read_sound(tmp_path / "x.wav")


RTCP = b"$\x01" + struct.pack(">H", 28) + b"\x80\xc8" + bytes(26)


QUESTION = re.compile(rb"([A-Z]+) rtsp://\S* RTSP/1.0\r\nCSeq: (\d+).*?\r\n\r\n", re.DOTALL)


class Ahead:
    """The clock, and how far it is put on."""

    sleep, ahead_s = staticmethod(time.sleep), 0.0

    def monotonic(self):
        return time.monotonic() + self.ahead_s


class Talkative(threading.Thread):
    """A camera that reports on itself for ever where it has no answer, or gives an odd one. An hour
    passes then."""

    def __init__(self, silent, odd=b"", clock=None):
        super().__init__(daemon=True)
        self.silent, self.odd, self.clock, self.asked = silent, odd, clock, []
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self.sock.getsockname()[1]}/s"
        self.start()

    def run(self):
        with self.sock, self.sock.accept()[0] as wire, contextlib.suppress(OSError):
            data = b""
            while part := wire.recv(65_536):
                data += part
                while question := QUESTION.search(data):
                    data = data[question.end() :]
                    self.answer(wire, question[1].decode(), question[2])

    def answer(self, wire, method, number):
        self.asked.append(method)
        while method == self.silent and not self.odd:
            # Until the other side has gone.
            wire.sendall(RTCP)
            self.clock.ahead_s = 3600.0
            time.sleep(0.02)
        sdp = AUDIO.format(types=0, lines="", control="t", way="sendonly").encode()
        body = b"v=0\r\n" + sdp if method == "DESCRIBE" else b""
        way = b"Session: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n"
        length = self.odd if method == self.silent else str(len(body)).encode()
        head = b"RTSP/1.0 200 OK\r\nCSeq: " + number + b"\r\nContent-Length: " + length
        wire.sendall(head + b"\r\n" + way + b"\r\n" + body)


@pytest.mark.parametrize(
    ("silent", "said"),
    [("TEARDOWN", "PCMU"), ("SETUP", "the camera has not answered within 60 s")],
)
def test_reports_for_ever_are_no_answer(silent, said, monkeypatch):
    clock, heard = Ahead(), []
    monkeypatch.setattr(backchannel, "ANSWER_S", 60.0)
    monkeypatch.setattr(backchannel, "time", clock)
    camera = Talkative(silent, clock=clock)

    def say():
        try:
            heard.append(speak(parse_source(camera.url), tone(0.1)).law)
        except NoBackchannel as error:
            heard.append(str(error))

    # In a thread, for it would never end.
    speaking = threading.Thread(target=say, daemon=True)
    speaking.start()
    speaking.join(60.0)
    assert heard == [said]
    assert camera.asked[-1] == silent


def test_a_length_in_odd_digits_is_none():
    camera = Talkative("PLAY", odd=b"\xb2")
    assert speak(parse_source(camera.url), tone(0.1)).law == "PCMU"


def test_a_way_of_logging_in_that_has_no_end_is_read_once():
    rtsp = object.__new__(backchannel._Rtsp)
    rtsp._user, rtsp._challenge = "admin", None
    began_s = time.process_time()
    assert rtsp._learn({"www-authenticate": "Digest " + "a" * 60_000})
    assert time.process_time() - began_s < 2.0
