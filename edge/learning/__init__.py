"""Reviewers' verdicts to thresholds and training sets."""
