# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is wrong with a box, in a technician's words: doctor, broker check, camera probes."""
