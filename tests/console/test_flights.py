# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page Flights without a browser: uploads by what they hold, requests, hostile names."""

import errno
import json

import pytest

from edge import journal
from edge.console import uploads
from edge.console.flight_pages import flight_name
from edge.console.flights import JOB, RECORDINGS
from edge.console.texts import TEXTS
from edge.ipc import Spool
from tests.console.conftest import PASSWORD, csrf_of

MP4 = b"\x00\x00\x00\x20ftypisom" + bytes(3000)
SRT = "1\n00:00:00,000 --> 00:00:01,000\n北口 [latitude: 30.2]\n".encode()


def put(client, name, body):
    return client.put(
        f"/flights/recordings/{name}", content=body, headers={"x-csrf": csrf_of(client)}
    )


def recordings(box):
    folder = box.state / "flights" / RECORDINGS
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def put_flight(box, name="20260501-100000-north", **ledger):
    folder = box.state / "flights" / name
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures/close-1.jpg").write_bytes(b"\xff\xd8\xff")
    finding = {
        "id": "x-001", "number": 1, "names": {"zh": "裸土", "en": "bare soil"}, "status": "new",
        "lat": 30.26, "lon": 109.48, "ce90_m": 3.2, "site_name": "一号 <b>工地</b>",
        "first_utc": 1_777_600_000.0, "low_confidence": True,
        "pictures": {"close": "close-1.jpg"},
    }  # fmt: skip
    body = {
        "version": 1, "name": "北口", "flight_id": "f-1", "video": "north.mp4", "minutes": 3.0,
        "distance_m": 800.0, "area_m2": 20_000.0, "blind_s": 12.0, "start_utc": 1_777_600_000.0,
        "counts": {"findings": 1, "new": 1, "still": 0, "gone": 0}, "findings": [finding],
        "blind": [{"start_s": 0.0, "end_s": 12.0, "why": "no pose"}], "sites": [], **ledger,
    }  # fmt: skip
    (folder / "flight.json").write_text(json.dumps(body))
    (folder / "findings.kml").write_text("<kml/>")
    (folder / "report.html").write_text("<script>1</script>")
    return name


def test_a_recording_is_removed_where_a_full_disk_takes_no_record(box, client, monkeypatch):
    """That makes the room."""

    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    put(client, "a.mp4", MP4)
    monkeypatch.setattr(journal, "_opened", full)
    form = {"csrf": csrf_of(client), "file": "a.mp4"}
    answer = client.post("/flights/remove-recording", data=form)
    assert (answer.status_code, recordings(box)) == (303, [])


def test_a_recording_comes_in_whole_and_is_audited(box, client):
    assert put(client, "DJI_0001.MP4", MP4).status_code == 201
    assert put(client, "DJI_0001.SRT", SRT).status_code == 201
    assert recordings(box) == ["DJI_0001.MP4", "DJI_0001.SRT"]
    assert (box.state / "flights" / RECORDINGS / "DJI_0001.MP4").read_bytes() == MP4
    assert "DJI_0001.MP4" in (box.state / "console/audit.jsonl").read_text("utf-8")
    page = client.get("/flights").text
    assert TEXTS["telemetry_beside"][0] in page


@pytest.mark.parametrize(
    ("name", "body", "code", "key"),
    [
        ("a.mp4", b"#!/bin/sh\necho no video at all" * 200, 415, "upload_wrong_kind"),
        ("a.srt", bytes(range(256)) * 40, 415, "upload_wrong_kind"),
        ("a.tlog", b"\x00" * 64, 415, "upload_wrong_kind"),
        ("a.klv", b"text" * 400, 415, "upload_wrong_kind"),
        ("a.exe", MP4, 422, "upload_bad_name"),
        (".a.mp4", MP4, 422, "upload_bad_name"),
        ("a.mp4", b"", 422, "upload_empty"),
    ],
)
def test_what_is_no_recording_is_refused_in_words_and_leaves_nothing(
    box, client, name, body, code, key
):
    answer = put(client, name, body)
    assert answer.status_code == code
    assert answer.json()["error"].startswith(TEXTS[key][0][:6])
    assert recordings(box) == []


@pytest.mark.parametrize("name", ["..%2f..%2fsite.yaml", "%2e%2e/x.mp4", "a%00.mp4", "a%2fb.mp4"])
def test_a_name_leads_nowhere(box, client, name):
    assert put(client, name, MP4).status_code in (404, 405, 422)
    assert recordings(box) == []


def test_an_older_file_is_never_replaced(box, client):
    put(client, "a.mp4", MP4)
    assert put(client, "a.mp4", MP4 + b"other").status_code == 409
    assert (box.state / "flights" / RECORDINGS / "a.mp4").read_bytes() == MP4


def test_the_quota_holds_before_a_byte_is_written(box, client):
    put(client, "a.mp4", MP4)
    box.app.state.inbox.quota_mb = 0
    answer = put(client, "b.mp4", MP4)
    assert (answer.status_code, recordings(box)) == (413, ["a.mp4"])


def test_the_disks_floor_holds_too(box, client, monkeypatch):
    client.get("/flights")
    disk = type("Disk", (), {"free": 10})
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda _: disk)
    assert put(client, "b.mp4", MP4).status_code == 413


def fails(number):
    def call(*_, **__):
        raise OSError(number, "as the test wants it")

    return call


def test_a_disk_that_fills_up_meanwhile_is_said_and_leaves_nothing(box, client, monkeypatch):
    monkeypatch.setattr(uploads.os, "fsync", fails(errno.ENOSPC))
    assert put(client, "a.mp4", MP4).status_code == 507
    assert recordings(box) == []


def test_a_file_system_without_links_takes_recordings_too(box, client, monkeypatch):
    monkeypatch.setattr(uploads.os, "link", fails(errno.EPERM))
    assert put(client, "a.mp4", MP4).status_code == 201
    assert recordings(box) == ["a.mp4"]


def test_a_body_that_is_cut_or_longer_than_said_leaves_nothing(box, client):
    def chunks():
        yield MP4

    for said in ("100", str(len(MP4) + 5)):
        headers = {"x-csrf": csrf_of(client), "content-length": said}
        answer = client.put("/flights/recordings/a.mp4", content=chunks(), headers=headers)
        assert answer.status_code == 422
        assert recordings(box) == []


@pytest.mark.parametrize(
    ("suffix", "head", "fits"),
    [
        (".mov", b"\x00\x00\x00\x08wide" + bytes(20), True),
        (".mkv", b"\x1a\x45\xdf\xa3" + bytes(20), True),
        (".ts", (b"\x47" + bytes(187)) * 4, True),
        (".mts", (bytes(4) + b"\x47" + bytes(187)) * 4, True),
        (".avi", b"RIFF\x00\x00\x00\x00AVI LIST", True),
        (".mp4", b"\x47" * 3, False),
        (".tlog", bytes(8) + b"\xfd" + bytes(20), True),
        (".klv", b"\x06\x0e\x2b\x34" + bytes(20), True),
        (".csv", "时间,纬度\n".encode("gb18030"), True),
        (".srt", SRT[: len(SRT) - 18], True),
        (".json", b"\x00{}", False),
    ],
)
def test_sniffing(suffix, head, fits):
    assert uploads.fits(suffix, head) is fits


def test_a_flight_is_asked_for_through_the_spool(box, client):
    put(client, "a.mp4", MP4)
    form = {"csrf": csrf_of(client), "video": "a.mp4", "title": "北口 <x>", "camera": "M3E"}
    answer = client.post("/flights/start", data=form)
    assert answer.status_code == 303
    (request,) = Spool(box.run, "flightd").take()
    asked = {key: request[key] for key in ("kind", "video", "title", "camera", "by")}
    assert asked == {
        "kind": "fly", "video": "a.mp4", "title": "北口 <x>", "camera": "M3E", "by": "张工"
    }  # fmt: skip
    assert answer.headers["location"].endswith(
        request["name"].replace("北口", "%E5%8C%97%E5%8F%A3")
    )


def test_flights_of_nothing_are_refused_on_the_page(client):
    form = {"csrf": csrf_of(client), "video": "../site.yaml"}
    answer = client.post("/flights/start", data=form)
    assert answer.status_code == 422
    assert TEXTS["flight_no_recording"][0] in answer.text


def test_names_of_flights_sort_by_time_and_hold_no_path():
    assert flight_name("../北口 A", 0.0) == "19700101-000000-北口-A"
    assert flight_name("///", 0.0) == "19700101-000000"


@pytest.mark.parametrize(
    "path", ["/flights/start", "/flights/remove-recording", "/flights/x/cancel", "/flights/x/again"]
)
def test_only_an_installer_with_the_forms_word_changes_flights(box, client, path):
    assert client.post(path, data={"csrf": "wrong"}).status_code == 403
    box.console.accounts.add("看客", PASSWORD, "viewer")
    client.cookies.clear()
    client.post("/login", data={"name": "看客", "password": PASSWORD})
    assert client.post(path, data={"csrf": csrf_of(client)}).status_code == 403
    assert put(client, "a.mp4", MP4).status_code == 403
    assert client.put("/flights/recordings/a.mp4", content=MP4).status_code == 403
    assert 'id="upload"' not in client.get("/flights").text


def test_a_ledger_is_shown_and_its_files_are_fetched(box, client):
    name = put_flight(box)
    page = client.get(f"/flights/{name}").text
    assert "裸土" in page and "30.260000" in page and "<b>工地</b>" not in page
    kml = client.get(f"/flights/{name}/file/findings.kml")
    assert "attachment" in kml.headers["content-disposition"]
    report = client.get(f"/flights/{name}/file/report.html")
    assert "sandbox allow-scripts;" in report.headers["content-security-policy"]
    assert "allow-same-origin" not in report.headers["content-security-policy"]
    assert client.get(f"/flights/{name}/file/pictures/close-1.jpg").status_code == 200


@pytest.mark.parametrize(
    "file", ["../../../site.yaml", "job.json", "work/x", "pictures/..%2fflight.json", "pictures/"]
)
def test_only_files_of_a_ledger_are_served(box, client, file):
    name = put_flight(box)
    assert client.get(f"/flights/{name}/file/{file}").status_code == 404


def test_a_failed_flight_says_why_and_a_running_one_how_far(box, client):
    for name, body in {
        "f-1": {"state": "failed", "text": "a.mp4: <no> picture"},
        "f-2": {"state": "running", "began_wall": 1.0},
    }.items():
        (box.state / "flights" / name).mkdir(parents=True)
        job = {"name": name, "video": "a.mp4", "asked_wall": 5.0, **body}
        (box.state / "flights" / name / JOB).write_text(json.dumps(job))
    (box.run / "flights").mkdir()
    told = {"done_s": 30.0, "of_s": 120.0, "began_wall": 0.0}
    (box.run / "flights/f-2.json").write_text(json.dumps(told))
    assert "a.mp4: &lt;no&gt; picture" in client.get("/flights/f-1").text
    assert "<progress" in client.get("/flights").text
    row = client.get("/data/flights").json()["flights"]["f-2"]
    assert (row["state"], row["share"]) == ("running", 0.25)
    client.post("/flights/f-2/cancel", data={"csrf": csrf_of(client)})
    assert Spool(box.run, "flightd").take()[0]["kind"] == "cancel"


def test_damaged_ledgers_and_jobs_do_not_hide_the_others(box, client):
    put_flight(box)
    for name, file in (("f-3", JOB), ("f-4", "flight.json")):
        (box.state / "flights" / name).mkdir()
        (box.state / "flights" / name / file).write_text("{ torn")
    page = client.get("/flights")
    assert (page.status_code, "北口" in page.text) == (200, True)
    assert client.get("/flights/f-3").status_code == 404


UNPLACED = {"label": "vendor_stall", "first_s": 3.0, "last_s": 9.0, "count": 5, "score": 0.8,
            "box": [0.1, 0.1, 0.2, 0.2], "aircraft": None,
            "pictures": {"overview": "close-1.jpg", "close": "close-1.jpg"}}  # fmt: skip
COARSE = {"categories": [{"category": "street-vendor", "share": 0.1, "why": "coarse",
                          "names": {"zh": "游商", "en": "vending"},
                          "words": {"zh": "分辨率不够", "en": "too coarse"}}]}  # fmt: skip
NOTHING = {"findings": 0, "new": 0, "still": 0, "gone": 0}


@pytest.mark.parametrize(
    ("ledger", "key", "told"),
    [
        ({"unplaced": [UNPLACED], "looks": 30}, "doubt_unplaced", "pictures/close-1.jpg"),
        ({"looks": 30, "duration_s": 40.0}, "doubt_blind", "无卫星定位"),
        ({"looks": 0, "blind_s": 0.0}, "doubt_none", "flight_doubt"),
        ({"looks": 30, "blind_s": 0.0, "as_flown": COARSE}, "doubt_unseen", "分辨率不够"),
    ],
)
def test_nothing_found_is_amber_where_not_all_was_inspected(box, client, ledger, key, told):
    blind = [{"start_s": 0.0, "end_s": 12.0, "why": "no position fix",
              "words": {"zh": "无卫星定位", "en": "no position fix"}}]  # fmt: skip
    name = put_flight(box, **{"findings": [], "counts": NOTHING, "blind": blind, **ledger})
    page = client.get(f"/flights/{name}").text
    assert TEXTS["no_finding"][0] not in page
    for text in (TEXTS["flight_doubt"][0], TEXTS[key][0], TEXTS.get(told, (told,))[0]):
        assert text in page
    assert 'class="card warn"' in page
    # The same in the list of flights, once the job is done.
    job = {"name": name, "video": "a.mp4", "asked_wall": 1.0, "state": "done"}
    (box.state / "flights" / name / JOB).write_text(json.dumps(job))
    assert (
        f'<span class="tag warn">{TEXTS["flight_partly"][0]}</span>' in client.get("/flights").text
    )
    assert "tag good" not in client.get(f"/flights/{name}").text


def test_a_flight_that_saw_everything_and_found_nothing_says_so(box, client):
    name = put_flight(box, findings=[], counts=NOTHING, blind=[], blind_s=0.0, looks=30,
                      duration_s=40.0, unplaced=[])  # fmt: skip
    page = client.get(f"/flights/{name}").text
    assert TEXTS["no_finding"][0] in page
    assert "warn" not in page.partition("<main")[2]


def test_reasons_are_told_in_the_readers_language(box, client):
    blind = [{"start_s": 0.0, "end_s": 12.0, "why": "no position fix",
              "words": {"zh": "无卫星定位", "en": "no position fix"}}]  # fmt: skip
    notes = [{"key": "no-fix", "text": "", "words": {"zh": "遥测中没有卫星定位", "en": "No fix"}}]
    name = put_flight(box, blind=blind, notes=notes, duration_s=40.0)
    page = client.get(f"/flights/{name}").text
    assert "无卫星定位" in page
    assert "遥测中没有卫星定位" in page
    assert "no position fix" not in page
