# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge evidence verify: one changed byte anywhere is found, and its file is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.outbox import Dispatch
from edge.uplink import seal, wire
from edge.uplink.sealer import Sealer
from edge.uplink.verify import check_chains, folders, verify_folder
from tests.uplink.test_seal import PRIVATE, SIGNER
from tools.faultlab.rig import Rig

TOPICS = wire.Topics("city", "box-1")
PUBLIC = [PRIVATE.public_key()]


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """Three sealed violations with receipts, as uplinkd and janitord leave them."""
    rig = Rig(tmp_path)
    outbox = rig.outbox()
    for name in ("v-1", "v-2", "v-3"):
        rig.put(outbox, name, {"r1-a.jpg": b"a" * 300, "r1-b.mp4": b"b" * 500})
    dispatch = Dispatch(rig.state / "outbox.db")
    sealer = Sealer(SIGNER, TOPICS, dispatch, lambda: 1_780_000_000.0)
    with dispatch.commit():
        rows = dispatch.claim("violation", 10, sealer.seal)
    for row in rows:
        receipt = sealer.receipt(row.record_id or "", row.sha256 or "", "receiver-1", 5)
        (Path(row.folder or "") / "receipt.json").write_bytes(receipt)
    dispatch.close()
    outbox.close()
    return rig.state / "evidence"


def test_all_of_it_fits(evidence: Path) -> None:
    verdicts = [verify_folder(folder, PUBLIC) for folder in folders(evidence)]
    assert [v.ok for v in verdicts] == [True] * 3
    assert {v.signed for v in verdicts} == {"trusted"}
    assert check_chains(verdicts) == ([], 0)


FILES = ["r1-a.jpg", "r1-b.mp4", "manifest.json", "envelope.json", "receipt.json", "signer.pem"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.31, 0.62, 0.99])
@pytest.mark.parametrize("trusted", [True, False], ids=["known key", "key beside it"])
def test_one_changed_byte_is_found(evidence: Path, name: str, share: float, trusted: bool) -> None:
    folder = evidence / "v-2" / "r1"
    data = bytearray((folder / name).read_bytes())
    data[int(share * len(data))] ^= 0x01
    (folder / name).write_bytes(data)
    verdict = verify_folder(folder, PUBLIC if trusted else ())
    if name == "signer.pem" and trusted:
        return
    assert not verdict.ok
    named = {name, "signer.pem", "envelope.json", "receipt.json"}
    assert verdict.file in named if name == "signer.pem" else verdict.file in (name, "r1-a.jpg")


@pytest.mark.parametrize("name", FILES[:4])
def test_every_byte_of_a_small_folder(evidence: Path, name: str) -> None:
    folder = evidence / "v-1" / "r1"
    data = (folder / name).read_bytes()
    for at in range(0, len(data), 7):
        (folder / name).write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
        assert not verify_folder(folder, PUBLIC).ok, (name, at)


@pytest.mark.parametrize("name", [*FILES[:4], "signer.pem"])
def test_a_missing_or_cut_file_is_found(evidence: Path, name: str) -> None:
    folder = evidence / "v-3" / "r1"
    data = (folder / name).read_bytes()
    for left in (None, b"", data[:-1], data + b"\n"):
        (folder / name).unlink(missing_ok=True)
        if left is not None:
            (folder / name).write_bytes(left)
        assert not verify_folder(folder).ok, (name, left)


def test_a_file_that_nobody_listed_is_found(evidence: Path) -> None:
    folder = evidence / "v-1" / "r1"
    (folder / "r1-extra.jpg").write_bytes(b"x")
    assert verify_folder(folder).file == "r1-extra.jpg"


def test_evidence_of_another_key_is_found(evidence: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    verdict = verify_folder(evidence / "v-1" / "r1", [Ed25519PrivateKey.generate().public_key()])
    assert not verdict.ok
    assert "unknown key" in (verdict.problem or "")


def test_a_manifest_cannot_point_outside(evidence: Path) -> None:
    folder = evidence / "v-1" / "r1"
    told = json.loads((folder / "manifest.json").read_bytes())
    told["files"][0]["path"] = "../../../../etc/passwd"
    (folder / "manifest.json").write_text(json.dumps(told))
    assert "outside" in (verify_folder(folder).problem or "")


@pytest.mark.parametrize(
    ("field", "value"),
    [("path", "a" * 300), ("path", "名" * 90), ("path", "a\0b"), ("size", "many")],
    ids=["long", "long in bytes", "nul", "no size"],
)
def test_a_file_that_cannot_be_is_the_fault_of_its_own_folder(
    evidence: Path, field: str, value: object
) -> None:
    manifest = evidence / "v-1" / "r1" / "manifest.json"
    told = json.loads(manifest.read_bytes())
    told["files"][0][field] = value
    manifest.write_text(json.dumps(told))
    found = [verify_folder(folder) for folder in folders(evidence)]
    assert [v.ok for v in found] == [False, True, True]
    assert found[0].file == "manifest.json"


@pytest.mark.parametrize(
    "lacks", [{"seq": "two"}, {"seq": None}, {"source": 5}, {"dataschema": []}, {"prev": None}]
)
def test_an_envelope_of_no_chain_is_found_and_the_chains_are_looked_at(
    evidence: Path, lacks: dict[str, object]
) -> None:
    folder = evidence / "v-2" / "r1"
    body = json.loads((folder / "envelope.json").read_bytes())
    (folder / "receipt.json").unlink()
    body.pop("sig")
    (folder / "envelope.json").write_bytes(SIGNER.sign({**body, **lacks}))
    found = [verify_folder(one, PUBLIC) for one in folders(evidence)]
    assert [v.ok for v in found] == [True, False, True]
    assert check_chains(found)[0] == []


def test_a_record_resealed_in_the_middle_breaks_the_chain(evidence: Path) -> None:
    path = evidence / "v-2" / "r1" / "envelope.json"
    body = json.loads(path.read_bytes())
    path.write_bytes(SIGNER.sign({**body, "time": "2026-01-01T00:00:00.000000Z"}))
    (path.parent / "receipt.json").unlink()
    verdicts = [verify_folder(folder, PUBLIC) for folder in folders(evidence)]
    broken, _ = check_chains(verdicts)
    assert [v.folder.parent.name for v in broken] == ["v-3"], "the first that does not follow"


def test_a_gap_is_told_and_no_error(evidence: Path) -> None:
    shutil.rmtree(evidence / "v-2")
    verdicts = [verify_folder(folder, PUBLIC) for folder in folders(evidence)]
    assert check_chains(verdicts) == ([], 1)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "edge", "evidence", "verify", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=150)


def test_the_command_says_and_names(evidence: Path, tmp_path: Path) -> None:
    good = run(str(evidence), "--json")
    assert good.returncode == 0
    assert [json.loads(line)["ok"] for line in good.stdout.splitlines()] == [True] * 3
    (evidence / "v-2" / "r1" / "r1-b.mp4").write_bytes(b"c" + b"b" * 499)
    bad = run(str(evidence))
    assert bad.returncode == 1
    assert "v-2/r1: r1-b.mp4:" in bad.stdout
    pem = tmp_path / "key.pem"
    pem.write_bytes(seal.public_pem(PRIVATE.public_key()))
    assert run(str(evidence / "v-1"), "--key", str(pem)).returncode == 0


@pytest.mark.parametrize(
    "words", [["/no/such/folder"], [], ["."], ["--all", "--device", "/no/such.yaml"]]
)
def test_wrong_input_is_one_line_and_exit_2(words: list[str], tmp_path: Path) -> None:
    words = [str(tmp_path) if word == "." else word for word in words]
    told = run(*words)
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1
    assert "Traceback" not in told.stderr


# ------------------------------------------------- what is missing, and what does not belong there


def made_again(folder: Path) -> None:
    """A picture changed and the manifest corrected, the seal taken away: only hashes are left."""
    picture = folder / "r1-a.jpg"
    picture.write_bytes(b"z" * 300)
    told = json.loads((folder / "manifest.json").read_bytes())
    for row in told["files"]:
        if row["path"] == picture.name:
            row["sha256"] = seal.sha256(picture.read_bytes())
    (folder / "manifest.json").write_text(json.dumps(told))
    for name in ("envelope.json", "receipt.json", "signer.pem"):
        (folder / name).unlink()


@pytest.mark.parametrize("keyed", [True, False], ids=["with a key", "without"])
def test_what_nobody_sealed_proves_nothing(evidence: Path, tmp_path: Path, keyed: bool) -> None:
    made_again(evidence / "v-2" / "r1")
    key = tmp_path / "box.pub.pem"
    key.write_bytes(seal.public_pem(PUBLIC[0]))
    done = run(str(evidence), *(["--key", str(key)] if keyed else []))
    assert done.returncode == 1 and "v-2/r1: envelope.json: missing: unsealed" in done.stdout
    assert run(str(evidence / "v-2"), *(["--key", str(key)] if keyed else [])).returncode == 1
    assert run(str(evidence), "--unsealed").returncode == 0, "hashes alone were asked for"


def test_on_the_box_a_record_may_wait_for_its_seal(evidence: Path, tmp_path: Path) -> None:
    folder = evidence / "v-2" / "r1"
    for name in ("envelope.json", "receipt.json", "signer.pem"):
        (folder / name).unlink()
    (folder / ".envelope.json.77.88.tmp").write_bytes(b"half")
    (evidence / "v-2" / ".r2.77.tmp").mkdir()
    device = tmp_path / "device.yaml"
    device.write_text("device: box-1\nfolders: {state: state, run: run}\n")
    (tmp_path / "state/keys").mkdir()
    (tmp_path / "state/keys/a.pem").write_bytes(seal.private_pem(PRIVATE))
    assert run("--all", "--device", str(device)).returncode == 0
    assert run(str(evidence)).returncode == 1, "anywhere else neither belongs there"


@pytest.mark.parametrize(
    ("name", "said"),
    [(".hidden.jpg", "not in the manifest"), (".r1-a.jpg", "not in the manifest"),
     ("folder/", "not in the manifest"), ("r1-a.jpg", "link"), ("envelope.json", "no plain file"),
     ("manifest.json", "no plain file"), (".envelope.json.1.2.tmp", "not in the manifest")],
)  # fmt: skip
def test_a_folder_holds_the_manifest_s_files_and_nothing_else(
    evidence: Path, tmp_path: Path, name: str, said: str
) -> None:
    path = evidence / "v-2" / "r1" / name.rstrip("/")
    if name.endswith("/"):
        path.mkdir()
    elif path.exists():
        moved = path.rename(tmp_path / "elsewhere")
        path.symlink_to(moved)
    else:
        path.write_bytes(b"x")
    verdict = verify_folder(path.parent, PUBLIC)
    assert not verdict.ok and said in (verdict.problem or ""), verdict


def test_a_linked_folder_is_no_evidence(evidence: Path, tmp_path: Path) -> None:
    moved = (evidence / "v-2" / "r1").rename(tmp_path / "elsewhere")
    (evidence / "v-2" / "r1").symlink_to(moved)
    assert "v-2" in run(str(evidence)).stdout


@pytest.mark.parametrize("name", ["note.txt", ".hidden", "r01", "r1.old", ".r2.77.tmp"])
def test_beside_the_revisions_lies_nothing(evidence: Path, name: str) -> None:
    (evidence / "v-2" / name).mkdir()
    done = run(str(evidence))
    assert done.returncode == 1 and "no revision" in done.stdout


def test_a_revision_of_which_only_pictures_are_left_is_found(evidence: Path) -> None:
    for name in ("manifest.json", "envelope.json", "receipt.json", "signer.pem"):
        (evidence / "v-3" / "r1" / name).unlink()
    done = run(str(evidence))
    assert done.returncode == 1 and "v-3/r1: manifest.json" in done.stdout


def ends(evidence: Path, seq: int = 3, signer: seal.Signer = SIGNER, sha256: str = "") -> bytes:
    sha256 = sha256 or seal.sha256((evidence / "v-3" / "r1" / "envelope.json").read_bytes())
    heads = {"violation": {"seq": seq, "sha256": sha256}}
    told = {"device": "box-1", "boot": 1, "time": "2026-01-01T00:00:00.000000Z", "heads": heads}
    return signer.sign(told)


def test_the_end_of_a_chain_tells_what_is_missing(evidence: Path, tmp_path: Path) -> None:
    """The last revision taken away leaves no gap between two numbers; the signed end knows it."""
    chain = tmp_path / "chain.json"
    chain.write_bytes(ends(evidence))
    assert run(str(evidence), "--chain", str(chain)).returncode == 0
    other = ends(evidence, sha256="0" * 64)
    shutil.rmtree(evidence / "v-3")
    assert run(str(evidence)).returncode == 0, "nothing tells"
    done = run(str(evidence), "--chain", str(chain))
    assert done.returncode == 1 and "records 3 to 3 of box-1 are not here" in done.stdout
    chain.rename(evidence / "chain.json")
    assert run(str(evidence)).returncode == 1, "found where the platform lays it"
    (evidence / "chain.json").write_bytes(other.replace(b'"seq":3', b'"seq":2'))
    done = run(str(evidence))
    assert done.returncode == 1 and "signature" in done.stdout


def test_an_end_of_another_hash_or_another_key(evidence: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    chain = tmp_path / "chain.json"
    chain.write_bytes(ends(evidence, sha256="0" * 64))
    assert "not the one its chain ends with" in run(str(evidence), "--chain", str(chain)).stdout
    chain.write_bytes(ends(evidence, signer=seal.Signer(SIGNER.kid, Ed25519PrivateKey.generate())))
    assert "signature" in run(str(evidence), "--chain", str(chain)).stdout
    chain.write_bytes(b"{}")
    assert run(str(evidence), "--chain", str(chain)).returncode == 1
