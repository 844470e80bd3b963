# SPDX-License-Identifier: AGPL-3.0-or-later
"""A path that is not there is wrong input: exit code 2 and one line that names it."""

from pathlib import Path

import pytest

from edge.cli import COMMANDS, main

CLIP = str(Path(__file__).parents[1] / "clips" / "street" / "street.mp4")
# Command lines with NONE where a path is.
LINES = """
check --site NONE
check --device NONE
watch NONE
watch CLIP --site NONE
watch CLIP --device NONE
watch CLIP --model NONE
replay NONE
evaluate --truth NONE --events NONE
fly NONE --out NONE/out
fly --overdue NONE --sites NONE
telemetry NONE
georef --poses NONE
georef --pose NONE --pixel 0.5,0.5
sensors decode --kind line NONE
sensors watch --once --device NONE
sensors watch --once --site NONE
sensors export --device NONE
sensors record cleaning shop --by Li --device NONE
levels --samples NONE
evidence verify NONE
evidence verify --all --device NONE
evidence casefile NONE --out NONE/x.zip
outbox status --device NONE
model verify NONE
model list --models NONE
model tune NONE
model tune --device NONE
model tune --pictures NONE
categories list --city NONE
pack list --site NONE
state show --site NONE
pack sign NONE --key NONE
ledger handling --state NONE
ledger add cleaning --state NONE --shop shop
report --week --json --state NONE
ledger notice --state NONE --place shop --out NONE
snap gate --site NONE
snap NONE
snap CLIP --out NONE/picture.jpg
report --week --state NONE
harvest --state NONE --out NONE/out
code --device NONE
code --new --device NONE
open --device NONE
completion bash --out NONE/edge
manual --out NONE/edge.1
doctor --site NONE
doctor --device NONE
visiond --site NONE --device NONE
sensord --site NONE --device NONE
uplinkd --site NONE --device NONE
uplinkd --new-key --device NONE
janitord --site NONE --device NONE
consoled --site NONE --device NONE
flightd --site NONE --device NONE
updaterd --site NONE --device NONE
software status --device NONE
software install NONE
outbox lower --to 2 --device NONE
run --site NONE --device NONE
""".strip().splitlines()


@pytest.mark.parametrize("line", LINES)
def test_exit_code(line: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    none = str(tmp_path / "none")
    words = [CLIP if word == "CLIP" else word.replace("NONE", none) for word in line.split()]
    assert main(words) == 2
    told = capfd.readouterr().err.strip()
    assert none in told.splitlines()[-1] and "Traceback" not in told
    assert not list(tmp_path.iterdir()), "nothing was made in its place"


def test_every_command_is_asked() -> None:
    assert {line.split()[0] for line in LINES} == COMMANDS.keys()
