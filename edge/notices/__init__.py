# SPDX-License-Identifier: AGPL-3.0-or-later
"""Notices to a group chat of the bureau: which, where, in which words, and how they are sent."""
