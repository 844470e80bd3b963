# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the page starts with: light, also with a broken site; a draft is checked as daemons do."""

import subprocess
import sys

import pytest

from edge.config import ConfigError
from edge.daemons.page_settings import check_draft, load_page_settings

GOOD = "cameras:\n- {id: a, source: rtsp://10.0.0.9/1, rules: [{category: street-vendor}]}\n"
HEAVY = ("cv2", "av", "onnxruntime", "paho", "pymodbus")


@pytest.fixture
def files(tmp_path):
    site, device = tmp_path / "site.yaml", tmp_path / "device.yaml"
    site.write_text(GOOD)
    device.write_text("device: box-1\nfolders: {state: state, run: run}\n")
    return site, device


def test_the_page_comes_up_where_the_site_is_broken(files):
    site, device = files
    site.write_text("cameras: [")
    (site.parent / "categories.yaml").write_text("nonsense")
    settings = load_page_settings(site, device)
    assert settings.run == site.parent / "run"
    assert "street-vendor" in settings.categories


def test_a_wrong_device_file_is_one_line(files):
    site, device = files
    device.write_text("devise: x\n")
    with pytest.raises(ConfigError, match="did you mean 'device'"):
        load_page_settings(site, device)


def test_a_draft_meets_what_the_daemons_ask(files):
    site, device = files
    check_draft(site, device)
    site.write_text(GOOD.replace("street-vendor", "street-vender"))
    with pytest.raises(ConfigError, match="did you mean 'street-vendor'") as caught:
        check_draft(site, device)
    assert str(caught.value).startswith(str(site))


def test_the_page_loads_no_decoder_and_no_judge():
    words = f"import sys, edge.daemons.consoled; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
