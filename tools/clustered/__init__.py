# SPDX-License-Identifier: AGPL-3.0-or-later
"""A platform of several machines on this one: brokers, database and receivers that die and part."""
