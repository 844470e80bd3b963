# SPDX-License-Identifier: AGPL-3.0-or-later
"""The wheel is the whole program: built, laid into an empty environment, it finds its own files."""

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("edge", "config", "models", "contract", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """An environment with the wheel, and next to nothing else but our dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(
                ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / part, source / part)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--quiet", "--no-deps", "-w", str(folder), str(source)]
    built = subprocess.run(build, capture_output=True, text=True, timeout=170)
    if "setuptools" in built.stderr and "No matching distribution" in built.stderr:
        pytest.skip("the build back end comes from a package index, and none answers")
    assert built.returncode == 0, built.stderr
    shutil.rmtree(source)
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    install = [*pip, "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, timeout=170)
    (packages,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    # The dependencies of this environment, after the wheel's own files.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "venv"


def edge(home, *words):
    argv = [str(home / "bin" / "edge"), *words]
    return subprocess.run(argv, capture_output=True, text=True, cwd=home, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("categories", "list"),
        ("model", "verify", "--models", "share/edge/models"),
        ("check", "--site", "share/edge/config/site.example.yaml"),
        ("check", "--site", "share/edge/config/sensors.example.yaml"),
    ],
    ids=" ".join,
)
def test_commands_find_their_files(home, words):
    done = edge(home, *words)
    assert done.returncode == 0, done.stderr
    assert str(ROOT) not in done.stdout + done.stderr


@pytest.mark.slow
def test_the_page_and_the_ledger_have_their_templates(home):
    import edge as here

    for name in Path(here.__file__).parent.rglob("*"):
        if name.suffix in {".html", ".css", ".js"}:
            inside = name.relative_to(Path(here.__file__).parent)
            assert list((home / "lib").glob(f"python3*/site-packages/edge/{inside}")), inside
