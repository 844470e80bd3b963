# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who sets up a camera is told what its model is not proven for, where he sets it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import yaml

from edge.daemons.console_services import trusted
from edge.daemons.page_settings import load_page_settings

WORDS = {
    "zh": {"weak": "模型对此识别较弱", "unproven": "未经真实画面验证"},
    "en": {"weak": "the model is weak at this", "unproven": "unproven on real pictures"},
}


def with_trust(box, told):
    """The page of a box whose default model is trusted so far."""
    services = replace(box.console.services, trust=lambda model: {} if model else told)
    box.console = replace(box.console, services=services)
    box.app.state.console = box.console


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("word", ["weak", "unproven"])
def test_the_zone_editor_and_the_camera_page_say_it(box, client, language, word):
    client.cookies.set("edge-language", language)
    with_trust(box, {"street-vendor": word})
    editor = client.get("/zones?camera=north").text
    listed = re.search(r'id="categories">(.*?)</script>', editor, re.S)[1]
    assert json.loads(listed)["street-vendor"]["trust"] == word
    assert f'data-{word}="{WORDS[language][word]}' in editor
    page = client.get("/setup/cameras/north").text
    assert WORDS[language][word] in page


def test_nothing_is_said_of_what_is_validated_or_of_another_model(box, client):
    with_trust(box, {})
    assert not any(word in client.get("/setup/cameras/north").text for word in WORDS["zh"].values())
    with_trust(box, {"street-vendor": "unproven"})
    box.site.write_text("model: another\n" + box.site.read_text())
    assert WORDS["zh"]["unproven"] not in client.get("/setup/cameras/north").text


def test_a_file_under_the_pen_does_not_break_the_camera_page(box, client):
    with_trust(box, {"street-vendor": "unproven"})
    odd = "[7, {category: [1]}, {category: x}]"
    box.site.write_text(f"cameras:\n  - {{id: north, source: street.mp4, rules: {odd}}}\n")
    assert client.get("/setup/cameras/north").status_code == 200


def test_it_comes_from_the_manifest_of_the_model(tmp_path):
    (tmp_path / "site.yaml").write_text("cameras: []\n")
    folders = f"{{state: state, run: run, models: {tmp_path}}}"
    (tmp_path / "device.yaml").write_text(f"folders: {folders}\n")
    manifest = {
        "file": "m.onnx",
        "sha256": "0" * 64,
        "classes": ["vendor_stall", "grill"],
        "input": {"height": 384, "width": 640},
        "good_for": {"vendor_stall": {"eye": "weak", "top": "validated"}, "grill": {}},
    }
    (tmp_path / "lamp.yaml").write_text(yaml.safe_dump(manifest))
    settings = load_page_settings(tmp_path / "site.yaml", tmp_path / "device.yaml")
    told = trusted(settings, "lamp")
    assert told["street-vendor"] == "weak"
    assert trusted(settings, "nobody") == {}
    del manifest["good_for"]
    (tmp_path / "lamp.yaml").write_text(yaml.safe_dump(manifest))
    assert trusted(settings, "lamp") == {}
