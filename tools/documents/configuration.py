# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/reference: docs/configuration.md from the configuration structs and `keys.yaml`.

Types, ranges and defaults come from the code, so they cannot lie; words come from `keys.yaml`.
`--check` writes nothing and exits 1 where the page differs from what it should be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tools.documents.keys import Kind, kinds_by_file, name_of, rows, unexplained

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "configuration.md"
WORDS = Path(__file__).with_name("keys.yaml")
HEAD = """\
# Configuration reference · 配置手册

Every key of every file, made from the code by `tools/reference`; a test fails where the two
differ. 各配置文件的全部键，由 `tools/reference` 从代码生成，与代码不一致时测试不通过。

`edge check --site site.yaml --device device.yaml` reads the files as the daemons do and names what
is wrong as `FILE: cameras[0].zones[1].polygon = …: what is allowed`; the last word of such a path
is a key of this page. `edge check --explain` prints what is in force with every default filled in,
`edge check --schema` a JSON Schema for an editor. An unknown key is an error, and so is a key
written twice.

- Files are YAML 1.2: `off` is a word, `22:00` a time of day, `2026-05-01` a date as written.
- Units stand at the end of a key: `_s` seconds, `_m` metres, `_db` decibels, `_mb` megabytes.
  Shares and places on a picture are fractions, 0 to 1.
- Relative paths start at the folder of the file that names them. – means nothing is set.
- Complete examples: [config/examples](../config/examples/README.md).

`EDGE_LOG=DEBUG` in the environment of a daemon makes its log tell everything; no other variable of
the environment is ours.
"""


def read_words() -> dict[str, Any]:
    """`keys.yaml`: struct name -> title and keys, each "English | 中文"."""
    return dict(yaml.safe_load(WORDS.read_text("utf-8")))


def page(words: Mapping[str, Any]) -> str:
    """The whole page. Raises KeyError for a struct or key without words (see `unexplained`)."""
    parts = [HEAD, _contents(words)]
    for file, kinds in kinds_by_file().items():
        parts.append(f"## {file}\n")
        parts += [_section(kind, words[name_of(kind)]) for kind in kinds]
    return "\n".join(parts)


def _contents(words: Mapping[str, Any]) -> str:
    lines = ["| file | parts |", "|---|---|"]
    for file, kinds in kinds_by_file().items():
        links = " ".join(f"[{name_of(k)}](#{name_of(k).lower()})" for k in kinds)
        lines.append(f"| `{file}` | {links} |")
    return "\n".join(lines) + "\n"


def _section(kind: Kind, words: Mapping[str, Any]) -> str:
    english, chinese = _both(words["title"])
    lines = [f"### {name_of(kind)}", "", f"{english}. {chinese}。", ""]
    lines += ["| key | what may stand there | default | what for | 用途 |", "|---|---|---|---|---|"]
    for row in rows(kind):
        english, chinese = _both(words["keys"][row.key])
        lines.append(f"| `{row.key}` | {row.value} | {row.default} | {english} | {chinese} |")
    return "\n".join(lines) + "\n"


def _both(text: str) -> tuple[str, str]:
    english, _, chinese = str(text).partition(" | ")
    return english, chinese


def main() -> int:
    """0 written or the same; 1 from --check where it differs; 2 where keys.yaml lacks words."""
    parser = argparse.ArgumentParser(prog="tools/reference", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="compare only")
    args = parser.parse_args()
    words = read_words()
    wrong = unexplained(words)
    if wrong:
        print(f"tools/reference: {WORDS.name}: {'; '.join(wrong)}", file=sys.stderr)
        return 2
    made = page(words)
    if args.check:
        same = PAGE.exists() and PAGE.read_text("utf-8") == made
        print("the same" if same else f"{PAGE.name} differs: run tools/reference", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(made, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
