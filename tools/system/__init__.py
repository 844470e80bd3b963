# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/systemtest: the product installed as documented, under a real init."""
