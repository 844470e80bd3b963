# SPDX-License-Identifier: AGPL-3.0-or-later
"""uplinkd's part: what lacks is fetched, resumed, paced; how it went is a record."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest
import yaml

from edge.config import ConfigError, Device
from edge.config.device import Folders
from edge.config.paths import box_files
from edge.daemons.software_updates import SoftwareFetch, SoftwareNews, WantedRelease
from edge.faults import FaultLog
from edge.outbox.schema import BACK, MIGRATIONS, connect, lower, lowest
from edge.release.software.fetch import Postponed, fetch_object, quiet
from edge.release.software.state_file import StateFile
from edge.release.software.steps import SoftwareState
from edge.release.software.trial import DaemonSeen, TrialSeen, TrialWatch
from edge.runtime import Stop
from edge.uplink import seal
from edge.uplink.commands import Commands
from edge.uplink.downward import Command
from edge.values import Stamp
from tests.daemons.guards import guard_in
from tests.release.software_press import SoftBox, press


@pytest.fixture
def mirror(tmp_path):
    """Serves a folder with ranges; `most` bytes of an answer come before it breaks off."""
    folder = tmp_path / "mirror"
    folder.mkdir()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = folder / self.path.strip("/")
            if not path.is_file():
                return self.send_error(404)
            begin = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if server.ranges else 0
            data = path.read_bytes()[begin:]
            self.send_response(206 if server.ranges else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            # Counted first: whoever has read the answer looks at once.
            server.sent.append((begin, len(data[: server.most])))
            self.wfile.write(data[: server.most])
            return None

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.ranges, server.most, server.sent, server.folder = True, 10**9, [], folder
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def always(_):
    pass


def lay(server, body):
    sha256 = seal.sha256(body)
    (server.folder / sha256).write_bytes(body)
    return sha256


def test_a_broken_download_goes_on_where_it_stopped(mirror, tmp_path):
    sha256 = lay(mirror, bytes(range(256)) * 2000)
    mirror.most = 300_000
    with pytest.raises(Postponed):
        fetch_object(mirror.url, sha256, 512_000, tmp_path, allow=always)
    mirror.most = 10**9
    fetch_object(mirror.url, sha256, 512_000, tmp_path, allow=always)
    assert mirror.sent == [(0, 300_000), (300_000, 212_000)]
    assert seal.sha256((tmp_path / sha256).read_bytes()) == sha256
    fetch_object(mirror.url, sha256, 512_000, tmp_path, allow=always)
    assert len(mirror.sent) == 2, "what is there is not asked for"


def test_a_server_without_ranges_sends_it_all_again(mirror, tmp_path):
    sha256 = lay(mirror, b"x" * 400_000)
    mirror.most, mirror.ranges = 100_000, False
    with pytest.raises(Postponed):
        fetch_object(mirror.url, sha256, 400_000, tmp_path, allow=always)
    mirror.most = 10**9
    fetch_object(mirror.url, sha256, 400_000, tmp_path, allow=always)
    assert (tmp_path / sha256).stat().st_size == 400_000


def test_other_bytes_than_named_are_refused_and_gone(mirror, tmp_path):
    sha256 = lay(mirror, b"good")
    (mirror.folder / sha256).write_bytes(b"evil")
    with pytest.raises(ConfigError, match="something else"):
        fetch_object(mirror.url, sha256, 4, tmp_path, allow=always)
    assert not [p for p in tmp_path.iterdir() if p.is_file()]
    with pytest.raises(Postponed):
        fetch_object(mirror.url, "0" * 64, 4, tmp_path, allow=always)


def test_quiet_hours_go_over_midnight():
    assert quiet(("22:00-06:00",), 23 * 60) and quiet(("22:00-06:00",), 0)
    assert not quiet(("22:00-06:00",), 6 * 60) and not quiet((), 0)
    assert quiet(("08:00-12:00", "14:00-24:00"), 23 * 60 + 59)


def fetcher(box, mirror, **more):
    path = box.folder / "device.yaml"
    said = yaml.safe_load(path.read_text())
    said["updates"] |= {"url": mirror.url, **more}
    path.write_text(yaml.safe_dump(said))
    return SoftwareFetch(box.where.device, box.where, guard_in(box.folder))


def published(mirror, release):
    for path in release["folder"].iterdir():
        (mirror.folder / path.name).write_bytes(path.read_bytes())
    return WantedRelease(release["number"], release["sha256"])


def test_only_what_lacks_travels_and_updaterd_gets_it(mirror, tmp_path):
    box = SoftBox(tmp_path / "box")
    first, second = press(tmp_path / "r1", 1), press(tmp_path / "r2", 2)
    fetch = fetcher(box, mirror)
    fetch.bring(published(mirror, first))
    assert box.updaterd().run(Stop()).outcome == "settled"
    whole, mirror.sent[:] = len(mirror.sent), []
    fetch.bring(published(mirror, second))
    assert (whole, len(mirror.sent)) == (7, 3), "the manifest, one wheel, one file"
    assert box.updaterd().run(Stop()).outcome == "settled" and box.works() == 2


def test_the_days_bytes_hold_over_a_restart_and_quiet_hours_are_kept(mirror, tmp_path, monkeypatch):
    box = SoftBox(tmp_path / "box")
    lay(mirror, b"x" * 900_000)
    fetch = fetcher(box, mirror, download_mb_day=1)
    fetch._allow(999_999)
    fetch._allow(10)
    with pytest.raises(Postponed, match="download_mb_day"):
        fetch._allow(1)
    again = SoftwareFetch(box.where.device, box.where, guard_in(box.folder))
    again._restore_budget()
    with pytest.raises(Postponed, match="download_mb_day"):
        again._allow(1)
    fetch = fetcher(box, mirror, quiet_hours=["00:00-24:00"])
    with pytest.raises(Postponed, match="quiet"):
        fetch._allow(1)


def test_a_clock_that_was_in_the_future_once_keeps_no_update_back(mirror, tmp_path, monkeypatch):
    box = SoftBox(tmp_path / "box")
    fetch = fetcher(box, mirror, download_mb_day=1)
    day = 86_400.0
    for at in (40_000 * day, 20_000 * day, 20_001 * day):
        monkeypatch.setattr("edge.daemons.software_updates.time.time", lambda at=at: at)
        fetch._allow(1_000_000)
        with pytest.raises(Postponed, match="download_mb_day"):
            fetch._allow(1)
        fetch = SoftwareFetch(box.where.device, box.where, guard_in(box.folder))
        fetch._restore_budget()
        with pytest.raises(Postponed, match="download_mb_day"):
            fetch._allow(1)


def test_what_an_older_program_wrote_down_of_the_day_counts(mirror, tmp_path, monkeypatch):
    box = SoftBox(tmp_path / "box")
    fetch = fetcher(box, mirror, download_mb_day=1)
    monkeypatch.setattr("edge.daemons.software_updates.time.time", lambda: 20_000 * 86_400.0)
    (box.folder / "update/incoming/.day.json").write_text('{"day": 20000, "spent": 1000000}')
    fetch._restore_budget()
    with pytest.raises(Postponed, match="download_mb_day"):
        fetch._allow(1)


@pytest.mark.parametrize("moment", [1, 2, 7])
def test_a_release_that_is_named_during_a_download_is_the_one_that_comes(
    mirror, tmp_path, monkeypatch, moment
):
    box = SoftBox(tmp_path / "box")
    fetch = fetcher(box, mirror)
    one, two = (published(mirror, press(tmp_path / f"r{n}", n)) for n in (1, 2))
    begun = []

    def named_meanwhile(*given, **more):
        begun.append(given)
        if len(begun) == moment:
            fetch.want(two)
        return fetch_object(*given, **more)

    monkeypatch.setattr("edge.daemons.software_updates.fetch_object", named_meanwhile)
    fetch.want(one)
    fetch._bring_once(fetch._read())
    assert fetch._read() == two and len(begun) == moment
    assert not (box.folder / "update/incoming/ready.json").exists()
    fetch._bring_once(fetch._read())
    ready = json.loads((box.folder / "update/incoming/ready.json").read_bytes())
    assert ready == {"number": 2, "sha256": two.sha256} and fetch._read() is None


def test_what_is_named_while_one_is_refused_stays(mirror, tmp_path, monkeypatch):
    box = SoftBox(tmp_path / "box")
    fetch = fetcher(box, mirror)
    fetch._stop.set()
    two = published(mirror, press(tmp_path / "r2", 2))
    fetch.want(WantedRelease(1, lay(mirror, b"no manifest")))
    wanted = fetch._read()
    fetch.want(two)
    fetch._bring_once(wanted)
    assert fetch.refused is not None and fetch._read() == two
    fetch._let_go(wanted, "a bug")
    assert fetch._read() == two


def test_a_forged_manifest_is_not_even_fetched_for(mirror, tmp_path):
    from tests.release.software_press import OTHER

    box = SoftBox(tmp_path / "box")
    fetch = fetcher(box, mirror)
    with pytest.raises(ConfigError, match="pinned"):
        fetch.bring(published(mirror, press(tmp_path / "r1", 1, key=OTHER)))
    assert len(mirror.sent) == 1 and not (box.folder / "update/incoming/ready.json").exists()


def test_the_command_is_durable_and_a_box_without_slots_says_no(tmp_path):
    said = []

    def commands(update):
        return Commands(
            tmp_path / "run",
            tmp_path / "requests",
            report=lambda result, *_: said.append((result.state, result.reason)),
            restart=lambda: None,
            update=update,
            guard=guard_in(tmp_path),
        )

    box = SoftBox(tmp_path / "box")
    fetch = SoftwareFetch(box.where.device, box.where, guard_in(box.folder))
    told = {"device": "b", "iss": "p", "n": 1, "exp": 0.0, "command": "update_software"}
    arguments = {"number": 3, "sha256": "a" * 64}
    commands(fetch.want).obey(Command(cmd_id="1", arguments=arguments, **told), 0.0)
    assert fetch._read() == WantedRelease(3, "a" * 64)
    bare = Device(folders=Folders(update=str(tmp_path / "none")))
    fetch = SoftwareFetch(bare, box_files(bare, None, None), guard_in(tmp_path))
    commands(fetch.want).obey(Command(cmd_id="2", arguments=arguments, **told), 0.0)
    commands(fetch.want).obey(Command(cmd_id="3", arguments={"number": 0}, **told), 0.0)
    assert [state for state, _ in said] == ["accepted", "done", "accepted", "failed", "rejected"]


def test_each_run_on_trial_says_so_anew_and_the_outcome_ends_it(tmp_path):
    box, told = SoftBox(tmp_path / "box"), []
    file = StateFile(box.folder / "update")

    def log(standing=()):
        at = Stamp(1.0, 1.0, "ntp", 0.0)
        return FaultLog(
            lambda: at, lambda fault, _: told.append((fault.kind, fault.phase)), standing
        )

    def write(**changes):
        file.write(SoftwareState(number=2, version="0.2", **changes))

    write(stage="staged")
    before = SoftwareNews(box.where, log())
    before.look()
    assert told == [], "nothing was switched to yet"
    write(stage="switched")
    before.look()
    write(stage="trial")
    after = SoftwareNews(box.where, log())
    after.look()
    after.look()
    assert told == [("software_on_trial", "start")] * 2
    write(stage="idle", outcome="rolled_back", why="deaf")
    after.look()
    assert told[2:] == [("software_on_trial", "end"), ("software_rolled_back", "start")]
    write(stage="idle", outcome="settled")
    after.look()
    assert told[4:] == [("software_rolled_back", "end")]


def seen(active=True, restarts=0, looked=("n",), acknowledged=1):
    return TrialSeen({"visiond": DaemonSeen(active, restarts)}, frozenset(looked), acknowledged)


def test_a_trial_holds_after_a_steady_while_and_not_by_a_moment():
    watch = TrialWatch(frozenset({"n"}), 0.0, 300.0, 45.0)
    assert watch.step(seen(), 0.0) is None and watch.step(seen(), 30.0) is None
    assert watch.step(seen(looked=()), 40.0) is None, "broken: it begins anew"
    assert watch.step(seen(), 50.0) is None and watch.step(seen(), 90.0) is None
    assert watch.step(seen(), 95.0) is True


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"active": False}, "visiond not running"),
        ({"looked": ()}, "camera n not looked at"),
        ({"acknowledged": 0}, "no record acknowledged"),
    ],
)
def test_a_trial_ends_with_what_lacked(bad, said):
    watch = TrialWatch(frozenset({"n"}), 0.0, 60.0, 45.0)
    assert watch.step(seen(**bad), 0.0) is None and watch.step(seen(**bad), 60.0) is False
    assert said in watch.why


def test_restarts_count_and_one_is_forgiven():
    watch = TrialWatch(frozenset(), 0.0, 300.0, 45.0)
    assert watch.step(seen(restarts=3), 0.0) is None and watch.step(seen(restarts=4), 1.0) is None
    assert watch.step(seen(restarts=5), 2.0) is False and "2 times" in watch.why


def test_an_outbox_goes_back_and_forth_with_its_rows(tmp_path):
    path = tmp_path / "outbox.db"
    connect(path).close()
    with connect(path) as db:
        db.execute(
            "INSERT INTO record (lane, kind, key, boot, put_wall) VALUES ('fault', 'f', 'k', 1, 0)"
        )
        row = ("a" * 64, "picture", "r", "p", 1, 1)
        db.execute(
            "INSERT INTO file (sha256, lane, role, path, size, record) VALUES (?,?,?,?,?,?)", row
        )
    db.close()
    before = _schema(path)
    assert lower(path, lowest()) == lowest() == 1
    db = connect(path)
    assert db.execute("SELECT count(*) FROM record").fetchone() == (1,)
    assert db.execute("SELECT path FROM file").fetchone() == ("p",)
    db.close()
    assert _schema(path) == before and len(BACK) == len(MIGRATIONS)


def _schema(path):
    db = connect(path)
    try:
        return {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE sql NOTNULL")}
    finally:
        db.close()


def test_there_is_a_way_back_or_a_word(tmp_path):
    path = tmp_path / "outbox.db"
    with connect(path) as db:
        for place in ("platform", "other"):
            db.execute(
                "INSERT INTO record (lane, kind, key, boot, put_wall, destination)"
                " VALUES ('fault', 'f', 'k', 1, 0, ?)",
                (place,),
            )
    db.close()
    with pytest.raises(ConfigError, match="cannot go back from schema 3"):
        lower(path, 2)
    with pytest.raises(ConfigError, match="no way back from schema 1"):
        lower(tmp_path / "new.db", 0)
    db = connect(path)
    assert db.execute("SELECT count(*) FROM record").fetchone() == (2,), "nothing happened"
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(ConfigError, match="outbox lower --to"):
        connect(path)


def test_state_is_readable_by_all_and_damage_is_idle(tmp_path):
    file = StateFile(tmp_path)
    file.write(SoftwareState(stage="trial"))
    assert (tmp_path / "busy").exists() and (tmp_path / "state.json").stat().st_mode & 0o4
    (tmp_path / "state.json").write_text("{")
    assert file.read().stage == "idle"
    assert msgspec.json.decode(json.dumps({}).encode(), type=SoftwareState) == SoftwareState()
