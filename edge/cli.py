# SPDX-License-Identifier: AGPL-3.0-or-later
"""The command `edge`: one table of commands, each loaded only when it is called."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from edge.command_line import CommandParser

# name -> (module below edge.commands, one line). A module has `add_arguments(parser)` and
# `run(args) -> int`, may have EPILOG (an example) and raises edge.config.ConfigError for wrong
# input. Importing it must stay cheap: heavy libraries are imported inside `run`.
COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("check", "validate configuration"),
    "run": ("run", "every daemon in one terminal (trial)"),
    "watch": ("watch", "one video, folder or stream through the whole chain now"),
    "replay": ("replay", "recorded cases against their golden events"),
    "evaluate": ("evaluate", "event-level precision, recall, F1 and delay"),
    "fly": ("fly", "a drone flight into a ledger"),
    "telemetry": ("telemetry", "drone telemetry as JSON lines of poses"),
    "georef": ("georef", "pixels to places on the ground"),
    "sensors": ("sensors", "list, decode or watch serial sensors"),
    "levels": ("levels", "Leq, Ln and the judgement of a recorded noise series"),
    "evidence": ("evidence", "verify evidence folders"),
    "outbox": ("outbox", "what waits for the platform"),
    "software": ("software", "releases of the program itself: status, install, self-test"),
    "model": ("model", "list, verify, tune or bench models"),
    "harvest": ("harvest", "a week's most telling crops, for a labeller"),
    "state": ("state", "teach the looks of a fixed place: a bin, a railing, a wall"),
    "pack": ("pack", "dated facts: calendar, exam days, limits, codes"),
    "categories": ("categories", "what can be found, with codes"),
    "ledger": ("ledger", "blind time and the other ledgers, as CSV"),
    "report": ("report", "what was found, decided and settled in a week or month"),
    "snap": ("snap", "one picture from a camera"),
    "code": ("code", "the page's address as QR code, the code to come in, a new one"),
    "open": ("open", "the page in this machine's browser"),
    "completion": ("completion", "completion of this command for bash or zsh"),
    "manual": ("completion", "this command as a manual page"),
    "doctor": ("doctor", "what is wrong with this box, in a technician's words"),
    "visiond": ("daemon", "daemon: cameras to findings"),
    "sensord": ("daemon", "daemon: serial ports to findings"),
    "uplinkd": ("daemon", "daemon: outbox to platform"),
    "janitord": ("daemon", "daemon: deletes what was released"),
    "consoled": ("daemon", "daemon: the local web page"),
    "flightd": ("daemon", "daemon: recordings of drone flights to ledgers"),
    "updaterd": ("daemon", "daemon: does the steps of a software update"),
}


# What --help and the manual show together.
GROUPS: dict[str, tuple[str, ...]] = {
    "start here 开始": ("run", "code", "open", "doctor", "check", "snap"),
    "look and judge 看与判": (
        "watch",
        "replay",
        "evaluate",
        "categories",
        "fly",
        "telemetry",
        "georef",
    ),
    "sensors 传感器": ("sensors", "levels"),
    "evidence and reports 证据与报表": ("evidence", "outbox", "state", "ledger", "report"),
    "models and releases 模型与升级": ("model", "harvest", "pack", "software"),
    "daemons, started by systemd 后台服务": (
        *("visiond", "sensord", "uplinkd", "janitord", "consoled", "flightd", "updaterd"),
    ),
    "this terminal 终端": ("completion", "manual"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 failed, 2 wrong input, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(words[0] if words else None)
    args = parser.parse_args(words)
    if args.command is None:
        parser.print_help(sys.stderr)
        return 2
    return _guarded(args)


def _parser(chosen: str | None) -> CommandParser:
    """All names for --help, but the arguments of the chosen command only: keeps start-up short."""
    from edge import __version__

    parser = CommandParser(
        prog="edge",
        description="City Edge",
        usage="edge COMMAND [ARGUMENTS]        edge COMMAND --help",
        epilog=grouped(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"city-edge {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", prog="edge", help=argparse.SUPPRESS
    )
    for name, (module_name, summary) in COMMANDS.items():
        sub = commands.add_parser(
            name, description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if chosen in (name, EVERY):
            module = importlib.import_module(f"edge.commands.{module_name}")
            sub.epilog = getattr(module, "EPILOG", None)
            module.add_arguments(sub)
            sub.set_defaults(run=module.run, whole=whole_parser, groups=GROUPS)
    return parser


EVERY = "*"


def whole_parser() -> CommandParser:
    """With the arguments of every command."""
    return _parser(EVERY)


def grouped() -> str:
    """The commands by what one wants, a line each."""
    lines = []
    for title, names in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:<12} {COMMANDS[name][1]}" for name in names)]
    return "\n".join(lines[1:])


def _guarded(args: argparse.Namespace) -> int:
    from edge.config import ConfigError

    try:
        return int(args.run(args))
    except ConfigError as error:
        print(f"edge {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"edge {args.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our stdout has left (`edge ... | head`); nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


if __name__ == "__main__":
    sys.exit(main())
