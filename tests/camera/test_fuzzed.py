# SPDX-License-Identifier: AGPL-3.0-or-later
"""What fuzzing of the readers found, each as a test; and a short form of the fuzzing itself."""

from __future__ import annotations

import contextlib
import io
import itertools
import random
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from edge.camera import libav
from edge.camera.clips import FileClips
from edge.camera.packets import Encoded, StreamOpening
from edge.camera.recording import read_file_frames
from edge.camera.remux import sound_sets, write_mp4
from edge.config import ConfigError
from edge.values import Stamp
from edge.vision.manifest import read_manifest
from edge.vision.model import load_model
from edge.vision.proof import open_model
from tools.fakes import onnx_files
from tools.fakes.camera import drawing
from tools.faultlab import fuzz_changes, fuzz_files, fuzz_seeds

SHORT = 25
ROOT = Path(__file__).resolve().parents[2]


def made(form: str, streams: int = 1, first_pid: int = 256, **metadata: str) -> bytes:
    """A second of moving drawing, the same in each video stream."""
    out = io.BytesIO()
    options = {"mpegts_start_pid": str(first_pid)} if form == "mpegts" else {}
    with av.open(out, "w", format=form, options=options) as container:
        container.metadata.update(metadata)
        rows = [container.add_stream("libx264", rate=10) for _ in range(streams)]
        for stream in rows:
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(10):
            for stream in rows:
                frame = av.VideoFrame.from_ndarray(drawing(96, 64, index), format="bgr24")
                frame.pts, frame.time_base = index, Fraction(1, 10)
                container.mux(stream.encode(frame))
        for stream in rows:
            container.mux(stream.encode(None))
    return out.getvalue()


def test_streams_that_appear_later_end_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "joined.ts"
    path.write_bytes(made("mpegts") + made("mpegts", streams=3, first_pid=300))
    with read_file_frames(str(path), 5.0) as frames:
        assert len(list(frames)) >= 5
    assert FileClips(path).write_clip(tmp_path / "clip.mp4", 0.0, 0.5) is not None


def test_a_title_in_another_encoding_is_read_over(tmp_path: Path) -> None:
    path, title = tmp_path / "titled.mp4", "Nordtor-Strasse"
    path.write_bytes(
        made("mp4", title=title).replace(title.encode(), b"\xff\xfe\xc4\xe4ordtor-abc")
    )
    with read_file_frames(str(path), 5.0) as frames:
        assert len(list(frames)) == 5


def test_a_recording_that_was_taken_away_has_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(made("mp4"))
    clips = FileClips(path)
    path.unlink()
    assert clips.write_clip(tmp_path / "clip.mp4", 0.0, 0.5) is None


def test_packets_that_make_no_film_are_no_trouble_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(made("mp4"))

    def refuses(*_: object) -> float:
        raise av.error.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr("edge.camera.remux._write", refuses)
    assert FileClips(path).write_clip(tmp_path / "clip.mp4", 0.0, 0.5) is None

    def full(*_: object) -> float:
        raise av.error.OSError(28, "No space left on device")

    monkeypatch.setattr("edge.camera.remux._write", full)
    with pytest.raises(OSError, match="clip not written"):
        FileClips(path).write_clip(tmp_path / "clip.mp4", 0.0, 0.5)
    assert write_mp4(tmp_path / "none.mp4", []) is None


SETS = {
    "sound": (
        "40010c01ffff01600000030090000003000003001e959809",
        "42010101600000030090000003000003001ea030810596566924cae68080000003008000000604",
        "4401c172b42240",
    ),
    "damaged": (
        "40010c01ffff01600000030090000003000003001e959809",
        "42010101600000030090000003000003001ea030af4c98f6ac1bb6658080000003008000000604",
        "4401c172b42240",
    ),
}


def annex_b(units: tuple[str, ...]) -> bytes:
    return b"".join(b"\0\0\0\1" + bytes.fromhex(unit) for unit in units)


def test_damaged_parameter_sets_never_reach_the_muxer(tmp_path: Path) -> None:
    """On these it would never come back."""
    assert sound_sets("hevc", annex_b(SETS["sound"]))
    assert not sound_sets("hevc", annex_b(SETS["damaged"]))
    assert sound_sets("h264", b"\0\0\0\1g")
    damaged = StreamOpening("hevc", annex_b(SETS["damaged"]), b"")
    at = Stamp(0.0, 0.0, "ntp", 1.0)
    sets = annex_b(SETS["damaged"])
    packet = Encoded(sets, 0, 0, Fraction(1, 90_000), True, at, damaged, sets)
    assert write_mp4(tmp_path / "clip.mp4", [packet]) is None


def test_a_picture_that_cannot_be_converted_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, count = tmp_path / "a.mp4", itertools.count()
    path.write_bytes(made("mp4"))
    real = libav._converter.reformat

    def reformat(frame: object, **how: object) -> object:
        if next(count) == 1:
            raise av.error.OSError(95, "Operation not supported")
        return real(frame, **how)

    monkeypatch.setattr(libav._converter, "reformat", reformat)
    with read_file_frames(str(path), 5.0) as frames:
        assert len(list(frames)) == 4
        assert frames.bad == 1


def with_impossible_type(data: bytes) -> bytes:
    """The constant of `fixed_rows` with a type of element that does not exist (TensorProto, field
    2): ONNX Runtime crashes on it."""
    whole = fuzz_changes.fields(data)
    assert whole is not None
    made_anew = []
    for number, kind, value in whole:
        if number == 7:
            graph = [
                (5, 2, _retyped(part)) if at == 5 else (at, wire, part)
                for at, wire, part in fuzz_changes.fields(value) or []
            ]
            value = fuzz_changes.message(graph)
        made_anew.append((number, kind, value))
    return fuzz_changes.message(made_anew)


def _retyped(tensor: bytes) -> bytes:
    return fuzz_changes.message(
        [
            (at, kind, fuzz_changes.varint(2**31) if at == 2 else value)
            for at, kind, value in fuzz_changes.fields(tensor) or []
        ]
    )


def test_a_model_that_crashes_the_runtime_is_refused(tmp_path: Path) -> None:
    sound = fuzz_seeds.onnx()[1]
    size = {"height": 64, "width": 64}
    bad = onnx_files.write(
        tmp_path / "bad", with_impossible_type(sound), ("person", "car"), input=size
    )
    with pytest.raises(ConfigError, match="crashes"):
        open_model(bad, provider="cpu")
    # A person at a terminal reads one sentence too.
    clip = "tests/clips/street/street.mp4"
    for words in (["watch", clip, "--model", str(bad)], ["fly", clip, "--model", str(bad)]):
        argv = [sys.executable, "-m", "edge", *words, "--out", str(tmp_path / words[0])]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2, done
        assert "the runtime crashes when it opens it" in done.stderr.splitlines()[-1]
    good = onnx_files.write(tmp_path / "good", sound, ("person", "car"), input=size)
    assert open_model(good, provider="cpu").names
    assert read_manifest(good)


def test_nothing_of_the_product_opens_a_model_that_no_child_has_survived() -> None:
    """One home: what calls the opening itself could end by a signal, without a sentence."""
    direct = re.compile(r"\b(load_model|open_traits)\(")
    homes = {"edge/vision/proof.py", "edge/vision/model.py", "edge/vision/traits.py"}
    homes |= {"edge/release/tuning.py"}  # measured_here: only ever run in a child
    callers = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "edge").rglob("*.py")
        if re.search(direct, path.read_text("utf-8").replace("net.load_model(", ""))
    }
    assert callers == homes


def test_names_that_are_no_text_are_refused_in_a_line(tmp_path: Path) -> None:
    data = fuzz_seeds.onnx()[1].replace(b"names", b"\xff\xfeame")
    path = onnx_files.write(tmp_path, data, ("person", "car"), input={"height": 64, "width": 64})
    with pytest.raises(ConfigError, match="not a usable model"):
        load_model(path, provider="cpu", workers=1)


def test_a_model_without_an_input_is_refused_in_a_line(tmp_path: Path) -> None:
    whole = fuzz_changes.fields(fuzz_seeds.onnx()[1])
    assert whole is not None
    data = fuzz_changes.message(
        [
            (n, k, _without(v, 11) if n == 7 else v)
            for n, k, v in whole
        ]
    )  # fmt: skip
    path = onnx_files.write(tmp_path, data, ("person", "car"), input={"height": 64, "width": 64})
    with pytest.raises(ConfigError, match="it has none"):
        load_model(path, provider="cpu", workers=1)


def _without(message: bytes, field: int) -> bytes:
    parts = fuzz_changes.fields(message) or []
    return fuzz_changes.message([part for part in parts if part[0] != field])


# --- the fuzzing itself ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", fuzz_files.KINDS)
def test_a_short_form_finds_nothing_and_reaches_other_outcomes(name: str, tmp_path: Path) -> None:
    fuzzer = fuzz_files.FileFuzzer(name, tmp_path)
    with contextlib.closing(fuzzer.spend(600.0)) as shares:
        next(one for one in shares if fuzzer.tally.inputs >= SHORT)
    tally = fuzzer.tally
    assert tally.findings == 0, sorted(p.name for p in tmp_path.iterdir())
    assert len(tally.outcomes) > 1
    again = fuzz_files.FileFuzzer(name, tmp_path)
    assert again.tally == tally, "a run goes on where it ended"


@pytest.mark.parametrize("name", fuzz_files.KINDS)
def test_an_input_is_made_again_from_its_number(name: str) -> None:
    kind = fuzz_files.KINDS[name]
    seeds = kind.seeds()
    one, two = ([fuzz_files.made(kind, seeds, n) for n in range(20)] for _ in range(2))
    assert one == two
    assert len(set(one)) > 15


def test_a_crash_and_a_hang_are_found_and_kept(tmp_path: Path) -> None:
    bad = tmp_path / "1.crashes"
    bad.write_bytes(with_impossible_type(fuzz_seeds.onnx()[1]))
    _, finding = fuzz_files.read_again("onnx", bad)
    assert finding is not None
    assert (finding.what, finding.text[:13]) == ("crashes", "ended with -1")
    fuzzer = fuzz_files.FileFuzzer("onnx", tmp_path)
    fuzzer.recheck()
    assert (fuzzer.tally.findings, fuzzer.tally.outlived) == (0, 1)
    assert (tmp_path / "1.outlived").is_file()
    reader = fuzz_files.Reader("mp4", tmp_path)
    (tmp_path / "a.mp4").write_bytes(fuzz_seeds.mp4()[0])
    assert reader.take("a.mp4", 0.0)[1] == fuzz_files.Finding("hangs", "more than 0 s")
    reader.close()


def test_changes_keep_the_structure_readable() -> None:
    """Most changed files are still read deep into: a fuzzer that only breaks heads finds little."""
    rng = random.Random(5)
    seed = fuzz_seeds.mp4()[0]
    boxes = [fuzz_changes.boxes(fuzz_changes.changed_mp4(seed, rng)) for _ in range(100)]
    kept = sum(any(box[4:8] == b"moov" for box in found) for found in boxes)
    assert 60 < kept < 100


BIG = """
import resource, struct, sys
import edge.camera.folder as folder
from pathlib import Path
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert folder.read_still(Path(sys.argv[1])) is None
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_photograph_that_claims_a_gigapixel_takes_no_memory(tmp_path: Path) -> None:
    parts = fuzz_changes.segments(fuzz_seeds.jpeg()[0])
    frame = next(index for index, part in enumerate(parts) if part[:2] == b"\xff\xc0")
    parts[frame] = parts[frame][:5] + b"\x7f\xff\x7f\xff" + parts[frame][9:]
    path = tmp_path / "big.jpg"
    path.write_bytes(b"".join(parts))
    done = subprocess.run([sys.executable, "-c", BIG, str(path)], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    assert int(done.stdout) < 200
