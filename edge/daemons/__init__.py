"""The daemons: wire the parts, loop, stop. Short."""
