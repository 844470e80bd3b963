"""Flights: telemetry, georeferencing, ground tracks, ledger."""
