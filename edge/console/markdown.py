# SPDX-License-Identifier: AGPL-3.0-or-later
"""The documents of the project as HTML: headings, paragraphs, lists, tables, code, quotations,
pictures on lines of their own.

Only what docs/*.md use of Markdown; everything else is shown as it stands, and all text is escaped.
A heading has the anchor that GitHub gives it. A row of a table whose first cell begins with words
of code has these as its anchors, after the word of code in its heading where there is one: both
languages share them. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

# Where a link leads on the page; None where the page has nothing of that name.
Linked = Callable[[str], str | None]

_HEADING = re.compile(r"^(#{1,6}) +(.*?)\s*$")
_ITEM = re.compile(r"^( *)(?:[-*]|(\d+)[.)]) +(.*)$")
_FENCE = re.compile(r"^ *```")
_PICTURE = re.compile(r"^!\[([^\]]*)\]\(([^)\s]+)\)\s*$")
_RULE_OF_TABLE = re.compile(r"^ *\|?[ :|-]+\|[ :|-]*$")
_KEY = re.compile(r"[\w.-]+")
_CODED = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]+)\)")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_SLANTED = re.compile(r"(?<![\w*])\*([^*\s](?:[^*]*[^*\s])?)\*(?![\w*])")
_BARE = re.compile(r"&lt;(https?://[^\s&]+)&gt;")


@dataclass(frozen=True, slots=True)
class ManualPage:
    """A document as the page shows it: its title, its body, and the anchors there are."""

    title: str
    body: str
    anchors: frozenset[str]


@dataclass(slots=True)
class _Writer:
    """The lines that are left, and what was made of those before."""

    lines: list[str]
    linked: Linked
    at: int = 0
    out: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    section: str = ""
    title: str = ""

    @property
    def line(self) -> str:
        return self.lines[self.at]

    @property
    def left(self) -> bool:
        return self.at < len(self.lines)


def manual_page(text: str, linked: Linked) -> ManualPage:
    """The document as HTML without its title, which the page has as its own heading."""
    writer = _Writer(text.splitlines(), linked)
    while writer.left:
        _block(writer)
    return ManualPage(writer.title, "\n".join(writer.out), frozenset(writer.anchors))


def _block(writer: _Writer) -> None:
    line = writer.line
    if not line.strip():
        writer.at += 1
    elif _FENCE.match(line):
        _fence(writer)
    elif match := _HEADING.match(line):
        _heading(writer, len(match[1]), match[2])
    elif _table_begins(writer):
        _table(writer)
    elif _ITEM.match(line):
        _list(writer)
    elif match := _PICTURE.match(line):
        _picture(writer, match[1], match[2])
    elif line.startswith(">"):
        _quotation(writer)
    else:
        writer.out.append(f"<p>{_inline(_paragraph(writer), writer.linked)}</p>")


def _heading(writer: _Writer, level: int, words: str) -> None:
    writer.at += 1
    if level == 1 and not writer.title:
        writer.title = _CODED.sub(r"\1", words)
        return
    coded = _CODED.search(words)
    writer.section = coded[1] if coded and level == 2 else "" if level <= 2 else writer.section
    name = _named(writer, slug(words))
    writer.out.append(f"<h{level}{name}>{_inline(words, writer.linked)}</h{level}>")


def slug(words: str) -> str:
    """The name that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")


def _named(writer: _Writer, name: str) -> str:
    """The id of an element; none where that name stands already."""
    if not name or name in writer.anchors:
        return ""
    writer.anchors.add(name)
    return f' id="{escape(name)}"'


def _fence(writer: _Writer) -> None:
    indent, body = len(writer.line) - len(writer.line.lstrip()), list[str]()
    writer.at += 1
    while writer.left and not _FENCE.match(writer.line):
        body.append(writer.line[indent:] if not writer.line[:indent].strip() else writer.line)
        writer.at += 1
    writer.at += 1
    writer.out.append(f'<pre tabindex="0">{escape(chr(10).join(body))}</pre>')


def _table_begins(writer: _Writer) -> bool:
    after = writer.lines[writer.at + 1] if writer.at + 1 < len(writer.lines) else ""
    return writer.line.lstrip().startswith("|") and bool(_RULE_OF_TABLE.match(after))


def _table(writer: _Writer) -> None:
    head = _cells(writer.line)
    writer.at += 2
    writer.out.append('<div class="scroll" tabindex="0"><table><thead><tr>')
    writer.out += [f'<th scope="col">{_inline(cell, writer.linked)}</th>' for cell in head]
    writer.out.append("</tr></thead><tbody>")
    while writer.left and writer.line.lstrip().startswith("|"):
        cells = _cells(writer.line)
        shown = "".join(f"<td>{_inline(cell, writer.linked)}</td>" for cell in cells)
        writer.out.append(_row(writer, cells[0] if cells else "", shown))
        writer.at += 1
    writer.out.append("</tbody></table></div>")


def _row(writer: _Writer, first: str, shown: str) -> str:
    """A row with an anchor for each key that its first cell begins with."""
    keys = [key for key in _CODED.findall(first) if _KEY.fullmatch(key)]
    keys = keys if first.startswith("`") else []
    names = [name for key in keys if (name := _named(writer, _row_name(writer.section, key)))]
    more = "".join(f"<span{name}></span>" for name in names[1:])
    return f"<tr{''.join(names[:1])}>{shown.replace('<td>', f'<td>{more}', 1)}</tr>"


def _row_name(section: str, key: str) -> str:
    return "-".join(filter(None, (section, key.replace(".", "_"))))


def _cells(line: str) -> list[str]:
    """Cells between the bars; a bar within code is no border."""
    kept = _CODED.sub(lambda match: match[0].replace("|", "\0"), line.strip().strip("|"))
    return [cell.replace("\\|", "|").replace("\0", "|").strip() for cell in kept.split("|")]


def _list(writer: _Writer) -> None:
    """A list and those within it, by their indent."""
    match = _ITEM.match(writer.line)
    assert match is not None, "asked for by _block"
    indent, kind = len(match[1]), "ol" if match[2] else "ul"
    writer.out.append(f"<{kind}>")
    while writer.left and (match := _ITEM.match(writer.line)) and len(match[1]) == indent:
        words = [match[3]]
        writer.at += 1
        while writer.left and _goes_on(writer.line, indent):
            words.append(writer.line.strip())
            writer.at += 1
        writer.out.append(f"<li>{_inline(' '.join(words), writer.linked)}")
        _within(writer, indent)
        writer.out.append("</li>")
    writer.out.append(f"</{kind}>")


def _goes_on(line: str, indent: int) -> bool:
    """Whether a line belongs to the words of the item before it."""
    inner = len(line) - len(line.lstrip()) > indent
    return bool(line.strip()) and inner and not _ITEM.match(line) and not _FENCE.match(line)


def _within(writer: _Writer, indent: int) -> None:
    """Lists and code that stand inside an item, over blank lines."""
    while writer.left:
        ahead = next(
            (n for n in range(writer.at, len(writer.lines)) if writer.lines[n].strip()), None
        )
        if ahead is None:
            return
        line = writer.lines[ahead]
        if len(line) - len(line.lstrip()) <= indent:
            return
        writer.at = ahead
        _block(writer)


def _picture(writer: _Writer, words: str, target: str) -> None:
    """With its words below it; the words alone where the page has no such picture."""
    writer.at += 1
    there, words = writer.linked(target), escape(words)
    shown = f'<img src="{escape(there)}" alt="" loading="lazy">' if there else ""
    writer.out.append(f"<figure>{shown}<figcaption>{words}</figcaption></figure>")


def _quotation(writer: _Writer) -> None:
    words = list[str]()
    while writer.left and writer.line.startswith(">"):
        words.append(writer.line.lstrip("> "))
        writer.at += 1
    parts = re.split(r"\n\n+", "\n".join(words))
    shown = "".join(f"<p>{_inline(part, writer.linked)}</p>" for part in parts)
    writer.out.append(f"<blockquote>{shown}</blockquote>")


def _paragraph(writer: _Writer) -> str:
    words = list[str]()
    while writer.left and writer.line.strip() and not _ends_paragraph(writer, words):
        words.append(writer.line.strip())
        writer.at += 1
    return " ".join(words)


def _ends_paragraph(writer: _Writer, words: list[str]) -> bool:
    line = writer.line
    other = _HEADING.match(line) or _FENCE.match(line) or _ITEM.match(line) or _table_begins(writer)
    return bool(words) and bool(other)


def _inline(words: str, linked: Linked) -> str:
    """The words of one block; code is left alone, links that lead nowhere here are plain words."""
    codes: list[str] = []

    def kept(match: re.Match[str]) -> str:
        codes.append(f"<code>{escape(match[1])}</code>")
        return f"\0{len(codes) - 1}\0"

    def link(match: re.Match[str]) -> str:
        there = linked(match[2].replace("&amp;", "&"))
        return f'<a href="{escape(there)}">{match[1]}</a>' if there else match[1]

    text = _LINK.sub(link, escape(_CODED.sub(kept, words), quote=False))
    text = _BARE.sub(r"\1", text)
    text = _SLANTED.sub(r"<em>\1</em>", _BOLD.sub(r"<b>\1</b>", text))
    return re.sub("\0(\\d+)\0", lambda match: codes[int(match[1])], text)
