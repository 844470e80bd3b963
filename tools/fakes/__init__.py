"""Fake devices and faults: what tests put in place of cameras, sensors and wires."""
