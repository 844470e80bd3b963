# SPDX-License-Identifier: AGPL-3.0-or-later
"""A loudspeaker that plays one recording over and over: windows to a case, from real files."""

import io
import json
import wave
from dataclasses import replace

import av
import numpy as np
import pytest

from edge.clock import SystemClock
from edge.config import ConfigError, Site, convert
from edge.config.catalogue import load_categories
from edge.config.shipped import shipped
from edge.pipeline.sound_evidence import sound_drafts, unintelligible
from edge.runtime import Stop
from edge.sensors.check import check_sensors
from edge.sensors.loudspeaker import LoopWindow, LoudspeakerJudge, same_recording
from edge.sensors.microphone import Microphone
from edge.sensors.repetition import Repetition, assess
from edge.sensors.settings import SoundPoint
from edge.sensors.sound import Mono
from edge.values import Stamp
from tests.sensors.test_judges import LOCAL
from tools.bench.made_sound import RATE, loop, mixed, traffic
from tools.bench.other_streets import caller

CATEGORY = load_categories([shipped("config/categories.yaml")])["repeated-loudspeaker"]
LOOP, NONE = Repetition("loop", 12.4, 0.5, 20.0), Repetition("none", 0.0, 0.0, 1.0)


def judge(**point):
    made = SoundPoint(id="market", source="alsa:default", enabled=True, **point)
    return LoudspeakerJudge(made, CATEGORY, LOCAL, window_s=120.0)


def told(sitting, *windows, level_db=None):
    found = []
    for n, repetition in enumerate(windows):
        at = Stamp(1000.0 + 120 * n, 1_772_330_400.0 + 120 * n, "ntp")
        end = Stamp(at.mono + 120, at.wall + 120, "ntp")
        found += sitting.step(LoopWindow(at, repetition), end, level_db=level_db)
    return found


def test_two_windows_of_one_recording_are_a_case_and_two_without_end_it():
    found = told(judge(), NONE, LOOP, LOOP, LOOP, NONE, NONE, level_db=71.2)
    assert [f.phase for f in found] == ["new", "end"]
    new = found[0]
    assert new.began.mono == 1120.0 and new.decided.mono == 1360.0
    assert new.facts["level_db"] == 71.2 and new.facts["period_s"] == 12.4
    assert "Art. 63" in new.facts["law"]["article"]
    assert new.facts["kept"] == "none"


def test_one_window_or_two_recordings_are_no_case():
    other = Repetition("loop", 17.7, 0.5, 20.0)
    assert told(judge(), LOOP, NONE, LOOP, NONE) == []
    assert told(judge(), LOOP, other, LOOP, other) == []


def test_a_beat_is_none_and_hours_are_kept():
    assert told(judge(), *[Repetition("beat", 4.0, 0.9, 30.0)] * 4) == []
    night = judge(when=convert({"hours": ["22:00-06:00"]}, type(SoundPoint(
        id="x", source="alsa:x").when), "t"))  # fmt: skip
    assert told(night, LOOP, LOOP, LOOP) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(12.4, 12.4, True), (12.4, 24.8, True), (12.4, 12.52, True), (12.4, 14.0, False),
     (10.0, 15.0, False), (0.0, 3.0, False)],
)  # fmt: skip
def test_periods_of_one_recording(one, other, same):
    assert same_recording(one, other) is same


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_what_a_person_calls_again_and_again_is_no_loop(seed):
    """The same few words for two minutes, each time a little faster, slower, sooner, later."""
    rng = np.random.default_rng(seed)
    live = caller(rng)
    assert assess(live + 0.01 * rng.normal(size=len(live)).astype(np.float32), RATE).kind != "loop"


def test_a_player_whose_pause_wavers_is_one_all_the_same():
    rng = np.random.default_rng(15)
    once = loop(8.0, 7.9, rng)
    rounds = [np.concatenate([once, np.zeros(int(rng.integers(0, 240)), np.float32)])
              for _ in range(16)]  # fmt: skip
    played = mixed(np.concatenate(rounds)[: 120 * RATE], traffic(120.0, rng), 0.0)
    found = assess(played, RATE)
    assert (found.kind, found.period_s) == ("loop", pytest.approx(8.0, abs=0.1))


@pytest.mark.parametrize("every_s", [0.9, 1.7])
def test_what_repeats_faster_than_words_is_a_beat(every_s):
    """A clack of the same noise, over and over: exact, and no recording of words."""
    rng = np.random.default_rng(16)
    clack = rng.normal(size=2000) * np.hanning(2000)
    sound = np.zeros(120 * RATE, np.float32)
    for at in range(0, len(sound) - 2000, round(every_s * RATE)):
        sound[at : at + 2000] += clack
    found = assess(sound + 0.02 * rng.normal(size=len(sound)).astype(np.float32), RATE)
    assert (found.kind, found.period_s) == ("beat", pytest.approx(every_s, abs=0.01))


def wav_file(path, sound):
    data = np.clip(sound / np.abs(sound).max() * 30000, -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(data.tobytes())


def test_a_real_decoder_fills_windows_and_they_are_dropped_when_taken(tmp_path):
    rng = np.random.default_rng(12)
    wav_file(tmp_path / "m.wav", mixed(loop(65.0, 6.2, rng), traffic(65.0, rng), 3.0))
    stop = Stop()
    ear = Microphone("market", f"file:{tmp_path}/m.wav", SystemClock(), stop, window_s=30.0)
    ear._listen()
    assert [h.window.found.kind for h in ear.windows] == ["loop", "loop"]
    assert abs(ear.windows[0].window.found.period_s - 6.2) < 0.1
    stop.set()


def test_a_source_that_is_not_there_says_so_and_ends_nothing(tmp_path):
    stop = Stop()
    ear = Microphone("market", f"file:{tmp_path}/none.wav", SystemClock(), stop)
    ear.start()
    for _ in range(1200):
        if ear.why != "not opened yet":
            break
        stop.wait(0.05)
    assert "No such file" in ear.why and ear.is_alive()
    stop.set()
    ear.join(60.0)


def without_sound(path):
    """A film of ten pictures as a camera without a microphone records it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(10):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def test_a_camera_without_sound_is_a_source_that_is_not_there(tmp_path, caplog):
    without_sound(tmp_path / "mute.mp4")
    stop = Stop()
    ear = Microphone("market", f"file:{tmp_path}/mute.mp4", SystemClock(), stop)
    ear.start()
    for _ in range(1200):
        if ear.why != "not opened yet":
            break
        stop.wait(0.05)
    assert "no audio track" in ear.why and "没有音轨" in ear.why and ear.is_alive()
    stop.set()
    ear.join(60.0)
    (said,) = caplog.messages
    assert said.startswith("sound market: no audio track") and "\n" not in said


def test_sound_whose_format_changes_is_heard_through():
    """A camera that goes over from mono at 8 kHz to stereo at 48 kHz and back."""
    mono, heard_s = Mono(), 0.0
    for rate, layout in ((8000, "mono"), (48_000, "stereo"), (16_000, "mono"), (8000, "mono")):
        for _ in range(10):
            channels = 2 if layout == "stereo" else 1
            data = np.full((1, channels * rate // 10), 16_384, np.int16)
            frame = av.AudioFrame.from_ndarray(data, format="s16", layout=layout)
            frame.sample_rate = rate
            for piece in mono.pieces(frame):
                assert piece.dtype == np.float32 and 0.4 < float(np.median(piece)) < 0.8
                heard_s += len(piece) / RATE
    assert heard_s == pytest.approx(4.0, abs=0.05)


def test_sound_is_kept_only_as_set_and_words_do_not_survive():
    rng = np.random.default_rng(13)
    sound, at = loop(30.0, 6.2, rng), Stamp(0.0, 0.0, "ntp")
    names = {
        keep: [d.name for d in sound_drafts(sound, SoundPoint(
            id="m", source="alsa:x", keep=keep, clip_s=10.0), at)]
        for keep in ("none", "unintelligible", "plain")
    }  # fmt: skip
    assert names["none"] == ["spectrogram.png", "self-similarity.png"]
    assert names["plain"][2:] == names["unintelligible"][2:] == ["sound.wav"]
    kept = sound_drafts(sound, SoundPoint(id="m", source="alsa:x", keep="plain", clip_s=10.0), at)
    with wave.open(io.BytesIO(kept[2].data)) as file:
        assert file.getnframes() == 10 * RATE
    blurred = unintelligible(sound)
    assert abs(np.corrcoef(blurred, sound)[0, 1]) < 0.1


def test_off_unless_enabled_and_names_are_checked():
    assert SoundPoint(id="m", source="camera:gate").enabled is False
    for row, says in (
        ({"id": "m", "source": "camera:zz"}, "'zz': unknown"),
        ({"id": "m", "source": "alsa:x", "meter": "zz"}, "'zz': unknown"),
        ({"id": "m", "source": "telnet:x"}, "source"),
    ):
        with pytest.raises(ConfigError, match=says):
            check_sensors(convert({"sound": [row]}, Site, "site.yaml"))


def test_sensord_makes_a_case_of_it_with_pictures_and_without_sound(tmp_path):
    """The daemon whole, from a file that the decoder reads: a sealed revision on disk."""
    from edge.daemons.sensord import Sensord
    from edge.pipeline.soundness import load_sound

    rng = np.random.default_rng(14)
    wav_file(tmp_path / "m.wav", mixed(loop(250.0, 9.3, rng), traffic(250.0, rng), 3.0))
    (tmp_path / "device.yaml").write_text("device: box-1\nfolders: {state: state, run: run}\n")
    (tmp_path / "site.yaml").write_text(
        "sound:\n  - {id: market, source: 'file:m.wav', enabled: true}\n"
    )
    settings = load_sound(tmp_path / "site.yaml", tmp_path / "device.yaml", sources=False)
    stop = Stop()
    daemon = Sensord(settings, tmp_path, lambda *_: None, stop)
    (ear,) = daemon.parts.microphones
    ear._listen()
    daemon._hear(SystemClock().now())
    stop.set()
    (manifest,) = (tmp_path / "state/evidence").glob("*/r1/manifest.json")
    body = json.loads(manifest.read_text())["violation"]
    assert body["category"] == "repeated-loudspeaker" and body["codes"]["gb"] == "0508"
    assert abs(body["facts"]["period_s"] - 9.3) < 0.1 and body["facts"]["packs"]["codes"]
    names = {p.name for p in manifest.parent.iterdir()}
    assert {"r1-spectrogram.png", "r1-self-similarity.png"} <= names
    assert not any(name.endswith(".wav") for name in names)
    later = SystemClock().now()
    for hours, files in ((1.9, 1), (2.1, 2), (5.0, 2)):
        daemon._hear(replace(later, mono=later.mono + 3600 * hours))
        ends = list((tmp_path / "state/evidence").glob("*/r*/manifest.json"))
        assert len(ends) == files, "a case that no sound vouches for ends, once"
    (end,) = (tmp_path / "state/evidence").glob("*/r2/manifest.json")
    body = json.loads(end.read_text())["violation"]
    assert body["facts"]["ended_because"] == "no sound"
    (point,) = daemon.status.whole(later)["sound"]
    assert point["open"] == []
    daemon.close()
