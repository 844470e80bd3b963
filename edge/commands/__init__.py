# SPDX-License-Identifier: AGPL-3.0-or-later
"""The commands of `edge`, one module each: parse, call, print. No logic of their own."""
