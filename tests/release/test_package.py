# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a box takes for a model package, and what not: nothing is written before it is believed."""

import json
import shutil
import zipfile

import pytest

from edge.config import ConfigError
from edge.release.package import MANIFEST, check_folder, check_package, unpack
from tests.release.press import KEY, NAME, OTHER, changed, pack

KEYS = (KEY.public_key(),)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return pack(tmp_path_factory.mktemp("press"), 5)


def test_a_good_package_unpacks_to_what_was_signed(good, tmp_path):
    checked = check_package(good, KEYS)
    assert (checked.name, checked.manifest.release) == (NAME, 5)
    manifest = unpack(checked, tmp_path)
    assert check_folder(manifest, KEYS).selftest is not None
    assert {p.name for p in tmp_path.iterdir()} == {*checked.wanted, f"{NAME}.yaml"}


def test_the_same_release_packs_to_the_same_bytes(good, tmp_path):
    assert pack(tmp_path, 5).read_bytes() == good.read_bytes()


def test_either_of_two_pinned_keys_will_do(good):
    assert check_package(good, (OTHER.public_key(), KEY.public_key())).name == NAME


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        (lambda d: d.update(release=9), None, "not made by the pinned release key"),
        (lambda d: None, OTHER, "not made by the pinned release key"),
        (lambda d: d.update(signature="!"), None, "signature: not one"),
        (lambda d: d.pop("signature"), None, "not made by the pinned"),
        (lambda d: d.update(file="../../etc/passwd"), KEY, "file"),
        (lambda d: d.update(file=".."), KEY, "cannot be the name"),
        (lambda d: d.update(file=MANIFEST), KEY, "cannot be the name"),
        (lambda d: d.update(name="../up"), KEY, "name = '../up'"),
        (lambda d: d.update(name=None), KEY, "name = None"),
        (lambda d: d.update(unheard=1), KEY, "unheard"),
        (lambda d: d.update(file="other.onnx"), KEY, "the manifest and the package differ"),
    ],
)
def test_a_manifest_that_is_not_believed(good, tmp_path, change, key, said):
    bad = changed(shutil.copy(good, tmp_path / "p.zip"), change, key=key)
    with pytest.raises(ConfigError) as caught:
        check_package(bad, KEYS)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_weights_that_are_not_those_of_the_manifest(good, tmp_path):
    bad = changed(shutil.copy(good, tmp_path / "p.zip"), lambda d: None, files={"m.onnx": b"x"})
    with pytest.raises(ConfigError, match="not those of the manifest"):
        unpack(check_package(bad, KEYS), tmp_path)


@pytest.mark.parametrize("extra", ["../out", "/tmp/out", "more.txt", "p0.png"])
def test_a_file_more_than_the_manifest_names(good, tmp_path, extra):
    bad = tmp_path / "p.zip"
    shutil.copy(good, bad)
    with zipfile.ZipFile(bad, "a") as package, pytest.warns() if extra == "p0.png" else _calm():
        package.writestr(extra, b"x")
    with pytest.raises(ConfigError, match="differ"):
        check_package(bad, KEYS)
    assert not (tmp_path / "out").exists()


def _calm():
    import contextlib

    return contextlib.nullcontext()


def test_a_bomb_is_stopped_by_what_comes_out(good, tmp_path, monkeypatch):
    monkeypatch.setattr("edge.release.package.PACKAGE_BYTES_MAX", good.stat().st_size // 2)
    with pytest.raises(ConfigError, match="more than"):
        check_package(good, KEYS)
    monkeypatch.undo()
    checked = check_package(good, KEYS)
    monkeypatch.setattr("edge.release.package.PACKAGE_BYTES_MAX", 1000)
    with pytest.raises(ConfigError, match="unpacks to too much"):
        unpack(checked, tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_cut_anywhere_it_is_one_line(good, tmp_path, share):
    bad = tmp_path / "cut.zip"
    bad.write_bytes(good.read_bytes()[: int(good.stat().st_size * share)])
    with pytest.raises(ConfigError) as caught:
        check_package(bad, KEYS)
    assert "\n" not in str(caught.value)


def test_one_byte_anywhere_is_noticed(good, tmp_path):
    data = good.read_bytes()
    for place in range(40, len(data), len(data) // 60):
        bad = tmp_path / "bad.zip"
        bad.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        folder = tmp_path / "out"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            manifest = unpack(check_package(bad, KEYS), folder)
        except ConfigError:
            continue
        # A byte without meaning (a date, an attribute): then what came out is what was signed.
        check_folder(manifest, KEYS)


def test_a_later_version_with_more_keys_still_finds_it_signed(good):
    """The signature is over the file as written, not over what this version knows of it."""
    with zipfile.ZipFile(good) as package:
        data = json.loads(package.read(MANIFEST))
    assert "variants" not in data and "preprocess" not in data
