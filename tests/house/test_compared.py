# SPDX-License-Identifier: AGPL-3.0-or-later
"""Two programs' evidence beside each other: what differs is found, and nothing else."""

import json

from tools.faultlab.compared import Made, differences, read_manifests


def manifest(case, revision, began, **more):
    violation = {"id": case, "revision": revision, "began": {"utc": began}, "category": "c", **more}
    return {"violation": violation, "files": [{"path": f"r{revision}-a.jpg", "sha256": "aa"}]}


def laid(out, *manifests):
    for one in manifests:
        told = one["violation"]
        folder = out / told["id"] / f"r{told['revision']}"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps(one))
    return read_manifests(out)


def test_the_same_differs_in_nothing_and_a_case_of_another_name_is_found(tmp_path):
    cases = [("b", "08:00"), ("a", "09:00")]
    one = laid(tmp_path / "one", *(manifest(case, n, at) for case, at in cases for n in (1, 2)))
    assert sorted(one) == ["c 1/r1", "c 1/r2", "c 2/r1", "c 2/r2"]
    assert one["c 1/r1"]["violation"]["id"] == "b", "numbered as they began"
    made = Made([{"category": "c", "x": 1}], one)
    assert differences(made, made) == {}
    renamed = laid(tmp_path / "two", *(manifest(c * 2, n, at) for c, at in cases for n in (1, 2)))
    found = differences(made, Made([{"category": "c", "x": 1}], renamed))
    assert {field for field, _, _ in found} == {"manifest.violation.id"}
    assert sum(found.values()) == 4


def test_a_changed_hash_a_lost_folder_and_a_new_field_are_each_found(tmp_path):
    old = Made(
        [{"category": "c", "x": 1}],
        laid(tmp_path / "old", manifest("a", 1, "08:00"), manifest("a", 2, "08:00")),
    )
    changed = manifest("a", 1, "08:00", grade="weak")
    changed["files"][0]["sha256"] = "bb"
    found = differences(old, Made([{"category": "c", "x": 2}], laid(tmp_path / "new", changed)))
    assert found["manifest.files.sha256", '"aa"', '"bb"'] == 1
    assert found["manifest.violation.grade", "-", '"weak"'] == 1
    assert found["manifest c 1/r2", "there", "-"] == 1
    assert found["event.x", "1", "2"] == 1
