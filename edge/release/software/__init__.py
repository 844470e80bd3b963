# SPDX-License-Identifier: AGPL-3.0-or-later
"""Releases of the program itself, on a box that nobody visits.

`manifest` is what travels signed, `fetch` brings what the box lacks of it, `wheels` and `slots`
lay it beside the running program, `steps` is the one table of what follows what, `trial` the judge
after the switch. edge-updaterd does the steps; all else here knows neither systemd nor root.
"""
