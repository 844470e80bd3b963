"""Tracks to findings: the judge, zones and calendar, one file per rule kind. Pure."""
