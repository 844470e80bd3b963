# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page's daemon: what it says at its start, and that it ends when it is asked to."""

import errno
import logging

import pytest

from edge.daemons import consoled
from edge.ipc import Spool
from edge.runtime import Notify, Stop
from tools.demonstration.processes import free_port


@pytest.fixture
def files(tmp_path):
    port = free_port()
    site, device = tmp_path / "site.yaml", tmp_path / "device.yaml"
    site.write_text("cameras: []\n")
    device.write_text(
        f"console: {{host: 127.0.0.1, port: {port}}}\nfolders: {{state: state, run: run}}\n"
    )
    return {"site_path": site, "device_path": device}


def served(files):
    """The daemon until it ends; only a request ends it."""
    Spool(files["device_path"].parent / "run", "consoled").ask("restart")
    return consoled.main(Stop(), Notify({}), **files)


def test_it_ends_when_asked_to_start_again(files):
    assert served(files) == 0


def test_the_first_code_is_told_on_a_terminal_and_never_to_the_journal(files, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "edge")
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    served(files)
    path = files["device_path"].parent / "state/console/first-code"
    assert path.read_text() not in caplog.text and str(path) in caplog.text
    monkeypatch.delenv("JOURNAL_STREAM")
    served(files)
    assert f"激活码: {path.read_text()}" in caplog.text


def test_what_cannot_be_read_or_written_for_a_while_ends_no_page(files, caplog, monkeypatch):
    """As where its process has no file left to open: said once, and gone on with."""
    caplog.set_level(logging.INFO, "edge")
    monkeypatch.setattr(consoled, "TICK_S", 0.01)
    monkeypatch.setattr(consoled, "STATUS_EVERY_S", 0.0)
    rounds = 0

    def no_files(self):
        nonlocal rounds
        rounds += 1
        if rounds <= 3:
            raise OSError(errno.EMFILE, "Too many open files")
        return [{"kind": "restart"}]

    def no_status(run, daemon, status):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Spool, "take", no_files)
    monkeypatch.setattr(consoled, "write_status", no_status)
    assert consoled.main(Stop(), Notify({}), **files) == 0
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert sorted(warnings) == [
        "requests: [Errno 24] Too many open files",
        "status: [Errno 24] Too many open files",
    ]
