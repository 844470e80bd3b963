# SPDX-License-Identifier: AGPL-3.0-or-later
"""The life of a case after it was found: verdict, outcome, due time, recheck, end; and its counts.

`life` says which steps are allowed and what they lead to, `deadlines` when a case is due, `store`
keeps the steps, `statistics` counts them for a report. One process writes (janitord); the page, the
reports and the reference platform fold the same steps to the same states.
"""
