"""The example files are what people copy: they load, strictly."""

from pathlib import Path

import pytest

from edge.config import Device, Site, load

CONFIG = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*device*.example.yaml")), ids=lambda p: p.name)
def test_device_examples_load(path):
    assert load(path, Device).device


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*site*.example.yaml")), ids=lambda p: p.name)
def test_site_examples_load(path):
    assert load(path, Site).name
