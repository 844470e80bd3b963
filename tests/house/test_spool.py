# SPDX-License-Identifier: AGPL-3.0-or-later
"""Requests between daemons: taken once, bounded, expiring, garbage survived."""

import pytest

from edge.ipc import Spool, SpoolFull


def test_a_request_is_taken_once(tmp_path):
    Spool(tmp_path, "visiond").ask("clip", camera="north", at_wall=12.5)
    (request,) = Spool(tmp_path, "visiond").take()
    assert (request["kind"], request["camera"], request["at_wall"]) == ("clip", "north", 12.5)
    assert Spool(tmp_path, "visiond").take() == []


def test_requests_come_in_the_order_of_asking(tmp_path):
    spool = Spool(tmp_path, "visiond")
    for number in range(5):
        spool.ask("snapshot", number=number)
    assert [r["number"] for r in spool.take()] == [0, 1, 2, 3, 4]


def test_the_spool_is_bounded(tmp_path):
    spool = Spool(tmp_path, "visiond", bound=2)
    spool.ask("clip")
    spool.ask("clip")
    with pytest.raises(SpoolFull, match="2 requests wait"):
        spool.ask("clip")


def test_expired_and_broken_requests_are_counted_not_served(tmp_path):
    spool = Spool(tmp_path, "visiond")
    spool.ask("clip", expires_s=-1.0)
    (spool.folder / "0.json").write_text("{not json")
    (spool.folder / "1.json").write_text('{"kind": "clip"}')
    assert spool.take() == []
    assert (spool.expired, spool.bad) == (1, 2)


def test_each_daemon_has_its_own(tmp_path):
    Spool(tmp_path, "visiond").ask("clip")
    assert Spool(tmp_path, "sensord").take() == []
