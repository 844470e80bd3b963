# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reviewers' verdicts to thresholds and training sets."""
