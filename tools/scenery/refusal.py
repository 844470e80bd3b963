# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a person gave that cannot be worked with: told in one line, exit code 2."""


class Refused(ValueError):
    """The message names the file or option, what is wrong with it and what to do."""
