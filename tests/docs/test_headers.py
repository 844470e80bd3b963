# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every Python and shell file says its licence, and the line lands where it does no harm."""

import pytest

from tools.documents import headers


def test_every_file_says_its_licence():
    """tools/headers adds what is missing."""
    if not (headers.ROOT / ".git").exists():
        pytest.skip("not a checkout: git knows which files are ours")
    known = headers.files(new=False)
    assert [str(p.relative_to(headers.ROOT)) for p in known if headers.lacks(p)] == []


@pytest.mark.parametrize(
    ("text", "shell", "made"),
    [
        ('"""What."""\n\nx = 1\n', False, f'{headers.LINE}\n"""What."""\n\nx = 1\n'),
        ("#!/bin/sh\n# Help.\nset -eu\n", True, f"#!/bin/sh\n# Help.\n{headers.LINE}\nset -eu\n"),
        ("#!/bin/sh\nset -eu\n", True, f"#!/bin/sh\n{headers.LINE}\nset -eu\n"),
    ],
)
def test_where_the_line_lands(text, shell, made):
    assert headers.with_header(text, shell=shell) == made


def test_a_script_stays_executable_and_is_replaced_not_rewritten(tmp_path):
    path = tmp_path / "tool"
    path.write_text("#!/bin/sh\ntrue\n")
    path.chmod(0o755)
    before = path.stat().st_ino
    headers.give(path)
    assert path.stat().st_mode & 0o111 and path.stat().st_ino != before
    assert not headers.lacks(path) and headers.is_shell(path)
    assert list(tmp_path.iterdir()) == [path]
