# SPDX-License-Identifier: AGPL-3.0-or-later
"""Pages that are made from the code and from measurements: docs/configuration.md, figures.md."""
