"""Drone telemetry of every supported kind, as poses. Pure: text and bytes in, values out."""
