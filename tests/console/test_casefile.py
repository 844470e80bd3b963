# SPDX-License-Identifier: AGPL-3.0-or-later
"""The case file: a sheet under its own policy, a zip that verifies offline, and the command."""

import io
import json
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import yaml

from edge.cli import main
from edge.console.texts import TEXTS
from edge.daemons.console_services import examine_case
from edge.evidence.album import jpeg
from tests.console.conftest import sha256_of
from tests.console.test_desk import case_id, put_life, step

LAW = "《某市市容管理条例》第三十条 <b>"


@pytest.fixture
def case(box):
    """A confirmed case whose files fit their manifest."""
    put_life(box, 1, step(1, "confirmed", 20.0, reason="占道 <script>x</script>"),
             step(1, "filed", 19.0, by="=王"))  # fmt: skip
    folder = box.state / f"evidence/{case_id(1)}"
    picture = jpeg(np.full((90, 160, 3), 120, np.uint8))
    body = json.loads((folder / "r1/manifest.json").read_bytes())
    body |= {"id": case_id(1), "revision": 1}
    name = body["files"][0]["path"]
    (folder / "r1" / name).write_bytes(picture)
    body["files"][0] |= {"sha256": sha256_of(picture), "size": len(picture)}
    (folder / "r1/manifest.json").write_text(json.dumps(body))
    services = replace(box.console.services, examine=examine_case, law={"street-vendor": (LAW,)})
    box.app.state.console = replace(box.console, services=services)
    return folder


def test_the_sheet_has_all_of_it_in_order_and_nothing_runs_but_the_print_dialog(client, case):
    answer = client.get(f"/cases/{case_id(1)}/sheet")
    page, policy = answer.text, answer.headers["content-security-policy"]
    keys = ("case_file", "facts", "pictures_of_case", "law_basis", "life", "evidence_list",
            "verification", "sign_handler")  # fmt: skip
    places = [page.index(TEXTS[key][0]) for key in keys]
    assert places == sorted(places)
    assert "&lt;b&gt;" in page
    assert "<script>x" not in page
    assert re.findall(r"<script[^>]*>", page) == ['<script src="/static/print.js">']
    assert "unsafe" not in policy
    assert "style=" not in page
    assert TEXTS["files_fit"][0].format(n=1) in page
    assert TEXTS["law_not_set"][0] not in page


def test_the_zip_verifies_offline_and_its_sheet_finds_its_pictures(client, case, tmp_path):
    answer = client.get(f"/cases/{case_id(1)}/file.zip")
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path / "out")
    out = tmp_path / "out"
    assert main(["evidence", "verify", str(out / "evidence"), "--unsealed"]) == 0
    for sheet in ("01-案卷.html", "02-case-file-english.html"):
        names = re.findall(r'<img src="([^"]+)"', (out / sheet).read_text("utf-8"))
        assert names
        assert all((out / name).is_file() for name in names)
        assert "<script src" not in (out / sheet).read_text("utf-8")
    steps = (out / "03-办理过程.csv").read_text("utf-8-sig")
    assert "立案" in steps
    assert json.loads((out / "05-校验.json").read_text("utf-8"))[0]["problem"] is None


def test_the_command_makes_the_same_file(box, case, tmp_path, capsys):
    site = tmp_path / "box/site.yaml"
    site.parent.mkdir()
    site.write_text("name: 河西路口\n", "utf-8")
    rows = {"categories": [{"id": "street-vendor", "law": [LAW]}]}
    (site.parent / "categories.yaml").write_text(yaml.safe_dump(rows), "utf-8")
    words = ["evidence", "casefile", str(case), "--out", str(tmp_path / "c.zip")]
    assert main([*words, "--site", str(site)]) == 0
    with zipfile.ZipFile(tmp_path / "c.zip") as archive:
        page = archive.read("01-案卷.html").decode()
    assert "河西路口" in page
    assert "&lt;b&gt;" in page
    (picture,) = case.glob("r1/*.jpg")
    picture.write_bytes(b"other")
    assert main(words) == 1


@pytest.mark.parametrize("words", [[], ["--out", "x.zip"], ["NONE", "--out", "x.zip"]])
def test_the_command_says_what_is_missing(tmp_path, capsys, words):
    given = [str(tmp_path) if word == "NONE" else word for word in words]
    assert main(["evidence", "casefile", *given]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.browser
def test_a_browser_prints_the_sheet_of_the_zip_without_the_page(client, case, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    data = client.get(f"/cases/{case_id(1)}/file.zip").content
    zipfile.ZipFile(io.BytesIO(data)).extractall(tmp_path / "out")
    pdf = tmp_path / "sheet.pdf"
    words = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--print-to-pdf={pdf}",
             (tmp_path / "out/01-案卷.html").as_uri()]  # fmt: skip
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert pdf.stat().st_size > 5_000
