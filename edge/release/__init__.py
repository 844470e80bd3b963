# SPDX-License-Identifier: AGPL-3.0-or-later
"""Model releases: packages that are signed, tried, watched and taken back by themselves.

`package` is the file that travels, `store` what lies on the box, `selftest` and `trial` are the two
judges (before the switch and after it), `install` is the way from a package to a switched box.
"""
