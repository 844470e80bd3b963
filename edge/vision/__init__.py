# SPDX-License-Identifier: AGPL-3.0-or-later
"""Pictures to tracks: model manifest, session, YOLO pre and post, motion gate, tracker."""
