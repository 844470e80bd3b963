# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cameras in: sources, grabber threads, mailboxes, packet rings, stream faults."""
