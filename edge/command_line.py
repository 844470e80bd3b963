# SPDX-License-Identifier: AGPL-3.0-or-later
"""The parser of the command line as people meet it: a typing error is answered with what was meant,
and what it knows is told to a shell (completion) and to `man`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")
_UNKNOWN = re.compile(r"unrecognized arguments: (.*)")
ALIKE, LISTED_MOST = 0.6, 12


def meant(word: str, known: Iterable[str]) -> str:
    """ "; did you mean …?" for the likeliest known word, "" where none is like it."""
    import difflib

    found = difflib.get_close_matches(word, list(known), 1, ALIKE)
    return f"; did you mean {found[0]}?" if found else ""


class CommandParser(argparse.ArgumentParser):
    """One line for a wrong word, with what was meant, and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Ends the process with the message and what was meant."""
        self.exit(2, f"{self.prog}: {self._usage_error(message)}\n")

    @property
    def arguments(self) -> list[argparse.Action]:
        """Everything that it takes."""
        return self._actions

    def _usage_error(self, message: str) -> str:
        if choice := _CHOICE.search(message):
            known = re.findall(r"[\w.-]+", choice[2])
            listed = f" (one of {', '.join(known)})" if len(known) <= LISTED_MOST else ""
            also = meant(choice[1], known) or f"; see {self.prog} --help"
            return f"{choice[1]!r} is not known{listed}{also}"
        if unknown := _UNKNOWN.search(message):
            options = [word for word in unknown[1].split() if word.startswith("-")]
            return message + (
                meant(options[0].partition("=")[0], _options(self)) if options else ""
            )
        return message


def _options(parser: CommandParser) -> list[str]:
    """Of a parser and of all below it, which have any for the chosen command only."""
    return [name for shape in shapes(parser) for names, _, _ in shape.options for name in names]


@dataclass(frozen=True, slots=True)
class CommandShape:
    """One command or subcommand: its words after `edge`, options, and what is under it."""

    words: tuple[str, ...]
    summary: str
    options: tuple[tuple[tuple[str, ...], str, str], ...]
    places: tuple[tuple[str, str, tuple[str, ...]], ...]
    below: tuple[str, ...]
    epilog: str


def shapes(parser: CommandParser, words: tuple[str, ...] = ()) -> Iterator[CommandShape]:
    """The command and everything below it, parents first."""
    options, places, below = [], [], dict[str, CommandParser]()
    for action in parser.arguments:
        if isinstance(action.choices, dict):
            below = dict(action.choices)
        elif action.option_strings:
            value = "" if action.nargs == 0 else _value(action)
            options.append((tuple(action.option_strings), value, _words(action)))
        else:
            choices = tuple(map(str, action.choices or ()))
            places.append((_value(action), _words(action), choices))
    yield CommandShape(
        words,
        parser.description or "",
        tuple(options),
        tuple(places),
        tuple(below),
        parser.epilog or "",
    )
    for name, one in below.items():
        yield from shapes(one, (*words, name))


def _value(action: argparse.Action) -> str:
    named = action.metavar or action.dest.upper()
    return named if isinstance(named, str) else " ".join(named)


def _words(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%") if action.help != argparse.SUPPRESS else ""


def completion(found: Iterable[CommandShape], shell: str) -> str:
    """A script for bash, or for zsh by its own emulation of bash's completion: after the words of a
    command come its subcommands, choices and options; everything else is a file."""
    rows = []
    for shape in found:
        given = [name for names, _, _ in shape.options for name in names if name.startswith("--")]
        choices = [choice for _, _, some in shape.places for choice in some]
        known = " ".join([*shape.below, *choices, *sorted(given)])
        rows.append(f'    "{" ".join(shape.words)}") echo "{known}" ;;')
    begin = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return begin + _BASH.replace("ROWS", "\n".join(rows))


_BASH = """\
# Completion of edge; made by: edge completion SHELL
_edge_known() {
  case "$1" in
ROWS
    *) return 1 ;;
  esac
}
_edge() {
  local here="${COMP_WORDS[COMP_CWORD]}" said="" word known
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) continue ;; esac
    if _edge_known "${said:+$said }$word" >/dev/null; then said="${said:+$said }$word"; fi
  done
  known=$(_edge_known "$said")
  COMPREPLY=($(compgen -W "$known" -- "$here"))
  if [ ${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$here")); fi
}
complete -o filenames -F _edge edge
"""


def manual(found: Iterable[CommandShape], groups: dict[str, tuple[str, ...]], version: str) -> str:
    """edge(1) in the macros of man(7)."""
    by_name = {shape.words[:1]: shape for shape in found if len(shape.words) <= 1}
    every = list(found)
    lines = [f'.TH EDGE 1 "" "city-edge {version}" "City Edge"', ".SH NAME"]
    lines += ["edge \\- suspected street violations from cameras, drone flights and sensors"]
    lines += [".SH SYNOPSIS", ".B edge", ".I COMMAND", "[\\fIARGUMENTS\\fR]", ".SH COMMANDS"]
    for title, names in groups.items():
        lines += [f".SS {_roff(title)}"]
        for name in names:
            if (name,) in by_name:
                lines += [".TP", f".B {_roff(name)}", _roff(by_name[name,].summary)]
    for shape in every:
        if shape.words:
            lines += _section(shape)
    lines += [".SH EXIT STATUS", "0 done, 1 failed or something is wrong, 2 wrong input,"]
    lines += ["130 interrupted.", ".SH FILES", "/etc/edge/site.yaml, /etc/edge/device.yaml"]
    return "\n".join(lines) + "\n"


def _section(shape: CommandShape) -> list[str]:
    lines = [f".SH EDGE {_roff(' '.join(shape.words).upper())}", _roff(shape.summary) or "."]
    for value, help_text, choices in shape.places:
        also = f" ({', '.join(choices)})" if choices else ""
        lines += [".TP", f".I {_roff(value)}", _roff(help_text + also) or "\\&"]
    for names, value, help_text in shape.options:
        shown = ", ".join(names) + (f" {value}" if value else "")
        lines += [".TP", f".B {_roff(shown)}", _roff(help_text) or "\\&"]
    if shape.epilog:
        lines += [".PP", ".nf", *(_roff(line) for line in shape.epilog.splitlines()), ".fi"]
    return lines


def _roff(text: str) -> str:
    """Text that no macro is made of."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("\n", " ")
    return f"\\&{safe}" if safe.startswith((".", "'")) else safe
