# SPDX-License-Identifier: AGPL-3.0-or-later
"""The board's state from files as a Pi, a Jetson and a PC show them; nothing guessed."""

import pytest

from edge.board import Board, kind_of, pi_troubles, storage


def make(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Board(root)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("Raspberry Pi 5 Model B Rev 1.0", "raspberry-pi"),
        ("NVIDIA Jetson Orin Nano Developer Kit", "jetson"),
        ("Standard PC (Q35 + ICH9, 2009)", "pc"),
    ],
)
def test_kind(model, kind):
    assert kind_of(model) == kind


# Firmware documentation: 0x50005 is under-voltage and throttled now and since boot.
@pytest.mark.parametrize(
    ("bits", "now", "since"),
    [
        (0x0, (), ()),
        (0x50005, ("under_voltage", "throttled"), ("under_voltage", "throttled")),
        (0x80008, ("soft_temperature_limit",), ("soft_temperature_limit",)),
        (0x20000, (), ("frequency_capped",)),
        (None, (), ()),
    ],
)
def test_pi_bits(bits, now, since):
    assert pi_troubles(bits) == (now, since)


def test_a_hot_pi(tmp_path):
    board = make(
        tmp_path,
        **{
            "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
            "sys/class/thermal/thermal_zone0/temp": "81250\n",
            "sys/class/thermal/thermal_zone1/temp": "40000\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
            "proc/uptime": "12.5 20.0\n",
        },
    )
    state = board.look()
    assert (state.kind, state.temperature_c, state.uptime_s) == ("raspberry-pi", 81.25, 12.5)
    assert "throttled" in state.troubles


def test_a_jetson_that_cools_itself_by_slowing_down(tmp_path):
    board = make(
        tmp_path,
        **{
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano\0",
            "sys/class/thermal/cooling_device0/type": "pwm-fan\n",
            "sys/class/thermal/cooling_device0/cur_state": "3\n",
            "sys/class/thermal/cooling_device1/type": "cpufreq-cpu0\n",
            "sys/class/thermal/cooling_device1/cur_state": "2\n",
        },
    )
    assert board.look().troubles == ("throttled",)


def test_what_a_board_does_not_tell_is_none(tmp_path):
    state = make(tmp_path).look()
    assert (state.temperature_c, state.memory_free_mb, state.uptime_s) == (None, None, None)


def test_storage_of_a_folder(tmp_path):
    disk = storage(tmp_path)
    assert disk.writable
    assert disk.free_mb > 0
