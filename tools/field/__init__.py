# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tools for the box in the field: provisioning and soak."""
