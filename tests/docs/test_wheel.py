# SPDX-License-Identifier: AGPL-3.0-or-later
"""The wheel is the whole program: built, laid into an empty environment, it finds its own files."""

import http.client
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tools.demonstration.processes import free_port

ROOT = Path(__file__).parents[2]
PARTS = ("edge", "config", "models", "contract", "docs", "pyproject.toml", "README.md", "LICENSE")


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
    built = subprocess.run(build, capture_output=True, text=True, timeout=380)
    if "setuptools" in built.stderr and "No matching distribution" in built.stderr:
        pytest.skip("the build back end comes from a package index, and none answers")
    assert built.returncode == 0, built.stderr
    shutil.rmtree(source)
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    install = [*pip, "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, timeout=380)
    (packages,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    # The dependencies of this environment, after the wheel's own files.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "venv"


def edge(home, *words):
    argv = [str(home / "bin" / "edge"), *words]
    return subprocess.run(argv, capture_output=True, text=True, cwd=home, timeout=150)


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


@pytest.fixture
def page(home, tmp_path):
    """The page of the installed wheel, entered: (path) -> (status, body)."""
    port = free_port()
    (tmp_path / "site.yaml").write_text("name: wheel\ncameras: [{id: a, source: a.mp4}]\n")
    (tmp_path / "device.yaml").write_text(
        f"device: wheel\nfolders: {{state: {tmp_path}/state, run: {tmp_path}/run}}\n"
        f"console: {{host: 127.0.0.1, port: {port}}}\n"
    )
    words = ["consoled", "--site", str(tmp_path / "site.yaml")]
    argv = [str(home / "bin" / "edge"), *words, "--device", str(tmp_path / "device.yaml")]
    log = tmp_path / "log"
    with log.open("wb") as out:
        child = subprocess.Popen(argv, cwd=tmp_path, stdout=out, stderr=out)
    until = time.monotonic() + 150
    try:
        while "the page" not in log.read_text():
            assert child.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        code = (tmp_path / "state/console/first-code").read_text().strip()
        form = urlencode({"code": code, "name": "wang", "password": "a-long-password"})
        head = {"Content-Type": "application/x-www-form-urlencoded"}
        _, told, _ = asked(port, "POST", "/first", form, head)
        cookie = told["Set-Cookie"].partition(";")[0]

        def get(path, language="zh"):
            words = {"Cookie": f"{cookie}; edge-language={language}"}
            status, _, body = asked(port, "GET", path, None, words)
            return status, body

        yield get
    finally:
        child.terminate()
        child.wait(90)


def asked(port, method, path, body, head):
    """(status, headers, body) of one request."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=90)) as link:
        link.request(method, path, body, head)
        answer = link.getresponse()
        return answer.status, answer.headers, answer.read()


@pytest.mark.slow
def test_the_page_of_the_wheel_has_the_whole_manual_with_its_pictures(home, page):
    from edge.console.manual_pages import MANUAL

    for language, word in (("zh", "摄像机"), ("en", "camera")):
        for name in MANUAL:
            status, body = page(f"/manual/{name}", language)
            assert status == 200 and word in body.decode(), (name, language)
    pictures = sorted((ROOT / "docs/zh/pictures").glob("*.webp"))
    assert pictures
    for file in pictures:
        assert page(f"/manual/pictures/{file.name}") == (200, file.read_bytes())
    laid = {
        str(p.relative_to(home / "share/edge/docs")) for p in (home / "share/edge/docs").rglob("*")
    }
    assert {str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").glob("**/*.md")} <= laid
