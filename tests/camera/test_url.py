# SPDX-License-Identifier: AGPL-3.0-or-later
"""Source strings: what is let in, how it is put together again, what people get to see."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.camera.url import parse_source, redact
from edge.config import ConfigError

# source -> (what libav is given, what people see)
NETWORK = [
    (
        "rtsp://10.0.0.7/live",
        "rtsp://10.0.0.7:554/live",
        "rtsp://10.0.0.7:554/live",
    ),
    (
        "RTSP://admin:p@ss:w%23d@cam-1.local:8554/Streaming/Channels/102?transportmode=unicast",
        "rtsp://admin:p%40ss%3Aw%23d@cam-1.local:8554/Streaming/Channels/102?transportmode=unicast",
        "rtsp://***@cam-1.local:8554/Streaming/Channels/102?transportmode=unicast",
    ),
    (
        "rtsp://admin:a/b@10.0.0.7/live",
        "rtsp://admin:a%2Fb@10.0.0.7:554/live",
        "rtsp://***@10.0.0.7:554/live",
    ),
    (
        "rtsp://[fe80::1]:555/a b",
        "rtsp://[fe80::1]:555/a%20b",
        "rtsp://[fe80::1]:555/a%20b",
    ),
    (
        "http://10.0.0.7/snap?user=u&pwd=geheim&channel=1",
        "http://10.0.0.7:80/snap?user=u&pwd=geheim&channel=1",
        "http://10.0.0.7:80/snap?user=***&pwd=***&channel=1",
    ),
    (
        "rtsp://10.0.0.7/user=admin_password=geheim_channel=1.sdp",
        "rtsp://10.0.0.7:554/user=admin_password=geheim_channel=1.sdp",
        "rtsp://10.0.0.7:554/user=admin_password=***",
    ),
    ("rtmps://x.cn/live/道", "rtmps://x.cn:443/live/%E9%81%93", "rtmps://x.cn:443/live/%E9%81%93"),
    ("rtsp://h/{host}", "rtsp://h:554/%7Bhost%7D", "rtsp://h:554/%7Bhost%7D"),
]


@pytest.mark.parametrize(("text", "target", "shown"), NETWORK)
def test_a_network_source_is_rebuilt_and_shown_without_credentials(
    text: str, target: str, shown: str
) -> None:
    address = parse_source(text)
    assert (address.kind, address.target, address.shown) == ("network", target, shown)
    assert str(address) == shown
    assert "geheim" not in repr(address)
    assert "p%40ss" not in repr(address)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        (" rtsp://a/", "spaces"),
        ("rtsp://a/\nb", "control"),
        ("-i", "No such file"),
        ("rtsp://", "host"),
        ("rtsp://-a/", "host"),
        ("rtsp://a b/", "host"),
        ("rtsp://a:0/", "port"),
        ("rtsp://a:99999/", "port"),
        ("udp://239.0.0.1:5000", "not allowed"),
        ("file:///etc/passwd", "not allowed"),
        ("concat:/etc/passwd|x", "No such file"),
        ("exec://rm", "not allowed"),
        ("data:image/png,x", "No such file"),
        ("usb:64", "usb:0"),
        ("usb:../../etc/passwd", "usb:0"),
        ("usb:-x", "usb:0"),
        ("pipeline:a;rm", "NAME"),
        ("/dev/null", "neither a file nor a folder"),
        ("/no/such/file.mp4", "No such file"),
    ],
)
def test_what_is_not_allowed_is_refused_in_one_line(text: str, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_source(text, where="cameras[a].source")
    assert word in str(caught.value)
    assert str(caught.value).startswith("cameras[a].source = ")
    assert "\n" not in str(caught.value)


def test_paths_become_absolute_so_that_none_starts_with_a_dash(tmp_path) -> None:
    (tmp_path / "-i.mp4").write_bytes(b"x")
    address = parse_source("-i.mp4", base=tmp_path)
    assert address.target == str(tmp_path / "-i.mp4")
    assert parse_source(".", base=tmp_path).kind == "folder"


def test_usb_by_number_and_by_name() -> None:
    assert parse_source("usb:0").target == "/dev/video0"
    named = parse_source("usb:usb-046d_HD_Webcam-video-index0")
    assert named.target == "/dev/v4l/by-id/usb-046d_HD_Webcam-video-index0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("open rtsp://u:p@h/x failed", "open rtsp://***@h/x failed"),
        ("rtsp://u:p@w@h/x", "rtsp://***@h/x"),
        ("GET /a?token=abc&x=1", "GET /a?token=***&x=1"),
        ("nothing to hide", "nothing to hide"),
        ("x=key=abc&y=1", "x=key=***&y=1"),
        ("my.Auth-Token=abc keyless=a&b=c", "my.Auth-Token=*** keyless=***&b=c"),
        ("'rtsp://u:p@h/?token=a' rtsp://v:q@i", "'rtsp://***@h/?token=***' rtsp://***@i"),
    ],
)
def test_redact_hides_credentials_in_any_text(text: str, shown: str) -> None:
    assert redact(text) == shown


printable = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=6, max_size=12)


@given(user=printable, password=printable)
@example(user="00000/", password="0000?0")
def test_no_password_ever_shows(user: str, password: str) -> None:
    password = f"Zq7{password}"
    try:
        address = parse_source(f"rtsp://{user}:{password}@10.1.2.3:554/ch1")
    except ConfigError as error:
        assert password not in str(error)
        return
    assert password not in address.shown
    assert password not in repr(address)
    assert "Zq7" not in address.shown
    assert address.target.startswith("rtsp://")
    assert not set(" \"'`\\|\n") & set(address.target)


@pytest.mark.parametrize(
    ("text", "host", "target"),
    [
        ("rtsp://admin:12345/6@192.168.1.2/s", "192.168.1.2", "admin:12345%2F6@192.168.1.2:554/s"),
        (
            "rtsp://admin:p@ss:w/rd?1@10.0.0.9/s",
            "10.0.0.9",
            "admin:p%40ss%3Aw%2Frd%3F1@10.0.0.9:554/s",
        ),
        ("rtsp://admin:a#b@10.0.0.9/s", "10.0.0.9", "admin:a%23b@10.0.0.9:554/s"),
        ("rtsp://10.0.0.9/live@1", "10.0.0.9", "10.0.0.9:554/live@1"),
        ("rtsp://u:p@cam/x@y", "cam", "u:p@cam:554/x@y"),
    ],
)
def test_the_last_at_ends_the_log_in(text: str, host: str, target: str) -> None:
    found = parse_source(text)
    assert (found.host, found.target) == (host, f"rtsp://{target}")


@pytest.mark.parametrize("text", ["192.168.1.64", "192.168.1.64:554/s", "cam:554/live"])
def test_a_bare_address_is_told_how_to_write_it(text: str) -> None:
    with pytest.raises(ConfigError, match=f"rtsp://{text}"):
        parse_source(text)


@pytest.mark.parametrize("text", ["~nobody-of-that-name/street.mp4", "~nobody-of-that-name"])
def test_a_home_folder_that_nobody_has_is_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="nobody of that name") as caught:
        parse_source(text)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://cam:" + "9" * 5000 + "/live",
        "usb:" + "1" * 5000,
        "rtsp://[::1::2]/live",
        "rtsp://[10.0.0.9]/live",
        "rtsp://[12:34]/live",
    ],
)
def test_what_only_looks_like_a_number_or_an_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_source(text)
    assert parse_source("rtsp://[fe80::1%25eth0]/live").host == "fe80::1%25eth0"


@pytest.mark.parametrize(
    ("piece", "times"),
    [("key", 1300), *((p, 20_000 // len(p)) for p in ("a", "a://", "a.", "key=", "://", "a.b://"))],
)
def test_a_long_text_is_gone_over_once(piece: str, times: int) -> None:
    text = piece * times
    began_s = time.process_time()
    redact(text)
    assert time.process_time() - began_s < 2.0
