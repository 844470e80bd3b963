# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reminders at the place: a loudspeaker, a lamp or a web hook, before anything is reported.

The judge asks (a Prompt), this performs; whether people left is seen by the judge itself, and it
is told where a hook failed, for then nobody was reminded.
"""

from __future__ import annotations

import http.client
import json
import logging
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from edge.config import ConfigError
from edge.runtime import Trouble
from edge.values import Prompt

log = logging.getLogger(__name__)

TIMEOUT_S = 8.0
PULSE_S = 5
# What a camera's loudspeaker may be given to say.
SOUNDS = (".wav", ".mp3", ".ogg", ".flac", ".m4a")


def _web(target: str, prompt: Prompt) -> None:
    body = {
        "key": prompt.key,
        "camera": prompt.camera,
        "category": prompt.category,
        "utc": prompt.at.wall,
        "zh": prompt.zh,
        "en": prompt.en,
    }
    data = json.dumps(body, ensure_ascii=False).encode()
    request = urllib.request.Request(  # noqa: S310  the scheme was checked by `check_hook`
        target, data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
        pass


def _audio(target: str, prompt: Prompt) -> None:
    _ = prompt
    subprocess.run(["aplay", "-q", "--", target], check=True, timeout=60.0)


def _gpio(target: str, prompt: Prompt) -> None:
    """A pulse on a line, "gpiochip4/17", by libgpiod's own bindings: the words of its command line
    changed between the Debian releases. Raises ConfigError without them, OSError without the chip
    or the right to it."""
    _ = prompt
    try:
        import gpiod
        from gpiod.line import Direction, Value
    except ImportError:
        raise ConfigError(
            "remind = 'gpio:...': the package gpiod is missing: pip install 'city-edge[gpio]'"
        ) from None
    chip, _, line = target.partition("/")
    lit = gpiod.LineSettings(direction=Direction.OUTPUT, output_value=Value.ACTIVE)
    with gpiod.request_lines(f"/dev/{chip}", {int(line): lit}, consumer="city-edge") as lines:
        time.sleep(PULSE_S)
        lines.set_value(int(line), Value.INACTIVE)


# What a hook may begin with -> who performs it.
HOOKS: dict[str, Callable[[str, Prompt], None]] = {
    "http": _web,
    "https": _web,
    "audio": _audio,
    "gpio": _gpio,
}


def _speech(text: str, path: Path) -> None:
    """The text spoken by espeak-ng in Mandarin, as a WAV file. Raises ConfigError without it."""
    argv = ["espeak-ng", "-v", "cmn", "-s", "150", "-w", str(path), "--", text]
    try:
        subprocess.run(argv, check=True, timeout=30.0, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise ConfigError(
            "remind = 'camera:speak': espeak-ng is not installed; install it, or record the words "
            "and write camera:/path/file.wav"
        ) from None


def _host_of(url: str) -> str:
    """The host of an address, "" where it has none or is none at all."""
    try:
        return urllib.parse.urlsplit(url).hostname or ""
    except ValueError:
        return ""


def split_hook(hook: str, where: str) -> tuple[str, str]:
    """(kind, target). Raises ConfigError for a hook of no known kind or with a bad target."""
    kind, _, rest = hook.partition(":")
    if kind in ("http", "https"):
        if not _host_of(hook):
            raise ConfigError(f"{where}: remind = {hook!r}: no host in the URL")
        return kind, hook
    chip, _, line = rest.partition("/")
    good = {
        "audio": Path(rest).is_absolute() and rest.endswith(".wav"),
        "camera": rest == "speak"
        or (Path(rest).is_absolute() and Path(rest).suffix.lower() in SOUNDS),
        "gpio": chip.startswith("gpiochip")
        and chip.isalnum()
        and line.isascii()
        and line.isdigit(),
    }
    if not good.get(kind, False):
        raise ConfigError(
            f"{where}: remind = {hook!r}: allowed are camera:speak, camera:/path/file.wav, "
            "http(s)://..., audio:/path/file.wav and gpio:gpiochipN/LINE"
        )
    return kind, rest


# Around one hook: its name, and what is done where it fails by a bug again (edge.isolation).
WorkingFor = Callable[[str, Callable[[str], None]], AbstractContextManager[None]]


class Reminders:
    """Performs prompts, each in a thread, so that nothing waits for a web server; a camera's
    loudspeaker says one after another. sources: the addresses of the cameras by id. not_done:
    hears, in that thread, of a prompt whose hook failed."""

    def __init__(
        self,
        sources: Mapping[str, str] | None = None,
        not_done: Callable[[Prompt], None] = lambda prompt: None,
        working_for: WorkingFor = lambda hook, aside: nullcontext(),
    ) -> None:
        self._not_done, self._working_for = not_done, working_for
        self.done = self.failed = 0
        self._trouble = Trouble(log)
        self._sources = dict(sources or {})
        self._speaking = {name: threading.Lock() for name in self._sources}

    def perform(self, prompt: Prompt) -> None:
        threading.Thread(target=self._one, args=(prompt,), daemon=True, name="reminder").start()

    def _one(self, prompt: Prompt) -> None:
        with self._working_for(f"reminder {prompt.hook}", partial(self._failed, prompt)):
            self._perform(prompt)

    def _failed(self, prompt: Prompt, why: str) -> None:
        self._trouble.failed(prompt.hook, why)
        self._not_done(prompt)
        self.failed += 1

    def _perform(self, prompt: Prompt) -> None:
        try:
            kind, target = split_hook(prompt.hook, prompt.camera)
            if kind == "camera":
                self._speak(target, prompt)
            else:
                HOOKS[kind](target, prompt)
        except (
            ConfigError,
            OSError,
            ValueError,
            urllib.error.URLError,
            http.client.HTTPException,
            subprocess.SubprocessError,
        ) as error:
            self._failed(prompt, str(error))
        else:
            self._trouble.healed(prompt.hook)
            log.info("reminded at %s: %s", prompt.camera, prompt.zh)
            self.done += 1

    def _speak(self, target: str, prompt: Prompt) -> None:
        """From the loudspeaker of the camera itself."""
        from edge.camera.backchannel import read_sound, speak
        from edge.camera.url import parse_source

        address = parse_source(self._sources.get(prompt.camera, ""), where=prompt.camera)
        with tempfile.TemporaryDirectory(prefix="edge-speech-") as folder:
            path = Path(folder) / "speech.wav" if target == "speak" else Path(target)
            if target == "speak":
                _speech(prompt.zh, path)
            samples = read_sound(path)
        with self._speaking[prompt.camera]:
            speak(address, samples)
