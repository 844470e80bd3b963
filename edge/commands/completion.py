# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge completion, edge manual: what the command line knows, for a shell and for `man`."""

from __future__ import annotations

import argparse
from pathlib import Path

EPILOG = """example: source <(edge completion bash)            (this shell; zsh: the same with zsh)
         edge manual | man -l -                    (read it)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    if parser.prog.endswith("completion"):
        parser.add_argument("shell", choices=("bash", "zsh"))
    parser.add_argument("--out", type=Path, help="write it there instead of printing it")


def run(args: argparse.Namespace) -> int:
    """Prints or writes. Raises ConfigError for a folder that is not there."""
    from edge import __version__
    from edge.command_line import completion, manual, shapes
    from edge.config import ConfigError

    found = list(shapes(args.whole()))
    if args.command == "completion":
        text = completion(found, args.shell)
    else:
        text = manual(found, args.groups, __version__)
    if args.out is None:
        print(text, end="")
        return 0
    try:
        args.out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{args.out}: {error.strerror}") from None
    return 0
