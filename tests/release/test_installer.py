# SPDX-License-Identifier: AGPL-3.0-or-later
"""The child that installs a package may say more than a pipe holds."""

import sys
import time
from types import SimpleNamespace

from edge.clock import SystemClock
from edge.config import Site, convert
from edge.daemons.model_updates import ModelUpdates
from edge.outbox import Outbox
from edge.pipeline.publisher import Publisher

TALKS = """#!/bin/sh
i=0
while [ $i -lt 300 ]; do
    echo "$i: one of the many lines of a self-test, as long as such lines are, and then some: $0"
    i=$((i + 1))
done
head -c 200000 /dev/zero | tr '\\0' '.'
printf '\\377\\n'
echo "no such release"
exit 3
"""


def test_a_child_that_says_much_comes_to_its_end(tmp_path, monkeypatch):
    program = tmp_path / "talks"
    program.write_text(TALKS)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    publisher = Publisher(Outbox(tmp_path / "outbox.db"), SystemClock())
    settings = SimpleNamespace(site=convert({"name": "x"}, Site, "test"), models=tmp_path)
    updates = ModelUpdates(settings, {}, publisher, [])
    assert updates.ask({"kind": "update_pack", "sha256": "0" * 64})
    until = time.monotonic() + 60
    while updates.busy and time.monotonic() < until:
        updates.tick({}, eased=False)
        time.sleep(0.01)
    fault = publisher.faults.find("pack_refused", "0" * 64)
    assert fault is not None and fault.text == "no such release"
