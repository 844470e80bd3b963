# SPDX-License-Identifier: AGPL-3.0-or-later
"""One site file, several installers: nothing is lost silently, whoever is quicker."""

import threading

import pytest

from edge.config import ConfigError
from edge.console.drafts import KEPT, Conflict, SiteFile


def test_of_many_who_save_at_once_one_wins_and_the_others_are_told(tmp_path):
    """All have passed the check before the first writes: the slowest way to lose a file."""
    path = tmp_path / "site.yaml"
    path.write_text("name: old\n")
    together = threading.Barrier(8)

    def check(draft):
        text = draft.read_text()
        together.wait(120)
        assert draft.read_text() == text, "somebody else's draft"

    site, told = SiteFile(path, check), []
    version = site.read().version

    def save(number):
        try:
            site.save(f"name: n{number}\n", version)
            told.append(number)
        except Conflict as error:
            assert f"+name: n{number}" in error.difference

    threads = [threading.Thread(target=save, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() == f"name: n{told[0]}\n" and len(told) == 1
    assert site.kept() == ["site.yaml.1"] and site.older("site.yaml.1") == "name: old\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["site.yaml", "site.yaml.1"]


def test_so_many_older_files_are_kept(tmp_path):
    site = SiteFile(tmp_path / "site.yaml", lambda _: None)
    for number in range(KEPT + 3):
        site.save(f"name: n{number}\n", site.read().version)
    assert [site.older(n) for n in site.kept()] == [f"name: n{n}\n" for n in range(6, 1, -1)]


def test_a_refused_draft_leaves_nothing_and_names_the_real_file(tmp_path):
    def check(draft):
        raise ConfigError(f"{draft}: no")

    site = SiteFile(tmp_path / "site.yaml", check)
    with pytest.raises(ConfigError, match=r"^site\.yaml: no$"):
        site.save("x", site.read().version)
    assert list(tmp_path.iterdir()) == []
