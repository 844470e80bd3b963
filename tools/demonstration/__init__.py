# SPDX-License-Identifier: AGPL-3.0-or-later
"""The demonstration: the whole chain on the project's own clips, with a page at the end."""
