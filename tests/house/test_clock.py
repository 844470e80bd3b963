# SPDX-License-Identifier: AGPL-3.0-or-later
"""The board's clock is asked each second, for years: asking must cost nothing."""

import ctypes.util

from edge import clock


def test_the_kernel_is_asked_without_starting_a_process(monkeypatch):
    """To look for the C library is to run ldconfig."""
    clock.kernel_trust()
    asked = []
    monkeypatch.setattr(ctypes.util, "find_library", asked.append)
    quality, error_ms = clock.kernel_trust()
    assert quality in ("ntp", "unsynced") and error_ms > 0.0 and asked == []


def test_without_a_c_library_nobody_knows(monkeypatch):
    monkeypatch.setattr(clock, "_c_library", lambda: None)
    assert clock.kernel_trust() == ("unsynced", clock.UNKNOWN_ERROR_MS)
