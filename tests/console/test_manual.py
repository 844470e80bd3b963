# SPDX-License-Identifier: AGPL-3.0-or-later
"""The manual on the page: offline, in both languages, and beside every setting the way to the row
that explains it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edge.console.faults import ADVICE
from edge.console.manual_pages import MANUAL, manual_file, read_manual
from edge.console.markdown import manual_page
from edge.console.settings_form import CAMERA_FIELDS, SENSOR_FIELDS, SITE_FIELDS
from edge.console.texts import TEXTS
from tests.console.clumsy import chat, recording
from tests.console.test_instruments import HAND

LANGUAGES = ("zh", "en")
FORMS = ("/setup", "/setup/cameras/north", "/setup/place", "/setup/ports", "/setup/sensor",
         "/setup/sensors/west", "/setup/notices", "/setup/accounts", "/setup/file", "/zones",
         "/account", "/flights")  # fmt: skip
# Controls that are no setting: what is found again by its name beside it.
NO_SETTING = {"csrf", "text"}


class Controls(HTMLParser):
    """Each control of a page with the help link that stands in its field or fieldset."""

    def __init__(self):
        super().__init__()
        self.stack, self.helped, self.bare, self.links = [], [], [], []

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        kind = facts.get("class") or ""
        if tag in ("div", "fieldset", "form", "li", "main", "section"):
            field = "field" in kind.split() or "chips" in kind.split()
            self.stack.append({"tag": tag, "field": field, "controls": [], "help": False})
        if tag == "a" and "help" in kind.split():
            self.links.append(facts["href"])
            for box in self.stack:
                box["help"] = True
        shown = tag in ("select", "textarea") or (tag == "input" and facts.get("type") != "hidden")
        if shown:
            name = facts.get("name") or kind or facts.get("id")
            box = next((one for one in reversed(self.stack) if one["field"]), None)
            (box["controls"] if box else self.bare).append(name)

    def handle_endtag(self, tag):
        if self.stack and self.stack[-1]["tag"] == tag:
            box = self.stack.pop()
            if box["field"]:
                (self.helped if box["help"] else self.bare).extend(box["controls"])


def controls(page):
    found = Controls()
    found.feed(page)
    return found


@pytest.fixture
def pages(box, client):
    """Every form of set-up with something in it, by language."""
    box.site.write_text(HAND, "utf-8")
    chat(box)
    recording(box)
    box.console.accounts.add("zhang", "a-long-password", "viewer")

    def get(path, language):
        client.cookies.set("edge-language", language)
        answer = client.get(path)
        assert answer.status_code == 200, path
        return answer.text

    return get


@pytest.mark.parametrize("path", FORMS)
def test_every_setting_has_help_beside_it_that_leads_to_its_row(pages, path):
    for language in LANGUAGES:
        main = pages(path, language).partition("<main")[2]
        found = controls(main)
        # The switch of a rule stands in the fieldset of the rules, whose legend has the help.
        assert {name for name in found.bare if name not in NO_SETTING} - {"on"} == set(), path
        assert found.helped or path == "/setup/file"
        assert found.links
        for link in found.links:
            name, _, anchor = link.removeprefix("/manual/").partition("#")
            assert anchor in read_manual(name, language).anchors, (link, language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("section", "fields"),
    [("cameras", CAMERA_FIELDS), ("site", SITE_FIELDS), ("sensors", SENSOR_FIELDS)],
)
def test_the_row_of_a_setting_has_the_words_of_the_page(section, fields, language):
    text = manual_file("settings", language).read_text("utf-8")
    part = text[text.index(f"`{section}`\n") :].partition("\n## ")[0]
    for field in fields:
        label = TEXTS[f"field_{field.name}"][language == "en"]
        row = f"| `{'.'.join(field.path)}` | {label} | "
        assert row in part, row
        assert len(part.partition(row)[2].partition(" |")[0]) > 5


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fault_has_its_row_in_the_manual(language):
    assert set(ADVICE) - read_manual("operations", language).anchors == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_document_is_shown_and_every_link_of_it_leads_somewhere(box, client, language):
    client.cookies.set("edge-language", language)
    listed = client.get("/manual").text
    for name, key in MANUAL.items():
        assert f'href="/manual/{name}"' in listed and TEXTS[key][language == "en"] in listed
        page = client.get(f"/manual/{name}")
        assert page.status_code == 200 and len(page.content) < 150_000
        for link in re.findall(r'href="(/manual/[^"]*)"', read_manual(name, language).body):
            there, _, anchor = link.removeprefix("/manual/").partition("#")
            assert not anchor or anchor in read_manual(there, language).anchors, (name, link)
        assert not re.search(r'(src|href)="(?!/|#)', page.text), "nothing from outside"


def test_the_pictures_of_a_guide_come_from_the_box(client):
    page = client.get("/manual/operations").text
    # Their room is there before they are: what has the focus stays where it is.
    seen = r'<figure><img src="(/manual/pictures/[^"]+)" width="(?:390|1366)" height="(?:844|768)"'
    shown = re.findall(seen, page)
    assert len(shown) > 3 and page.count("<figcaption>") == len(shown)
    for path in shown:
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    for name in ("none.webp", "..%2Foperations.md", "x.png"):
        assert client.get(f"/manual/pictures/{name}").status_code == 404
    told = manual_page("![a < b](elsewhere.png)\n", lambda target: None).body
    assert told == "<figure><figcaption>a &lt; b</figcaption></figure>"


def test_the_chinese_manual_is_chinese_and_the_english_one_english():
    for name in MANUAL:
        if name not in ("quick-card", "configuration"):
            assert manual_file(name, "zh").parent.name == "zh"
            assert manual_file(name, "en").parent.name == "docs"


@pytest.mark.parametrize("name", ["nothing", "..%2f..%2fREADME", "architecture"])
def test_other_files_are_no_part_of_it(client, name):
    answer = client.get(f"/manual/{name}", headers={"accept-language": "zh"})
    assert answer.status_code == 404


def test_the_documents_are_laid_where_the_page_finds_them():
    root = Path(__file__).resolve().parents[2]
    project = (root / "pyproject.toml").read_text()
    assert '"share/edge/docs" = ["docs/*.md"]' in project and '"docs/zh/*.md"' in project


def shown(text):
    return manual_page(text, lambda target: f"/to/{target}" if target != "gone" else None).body


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a <b> & `x<y`", "<p>a &lt;b&gt; &amp; <code>x&lt;y</code></p>"),
        ("**b** and *i*, 2 * 3 * 4", "<p><b>b</b> and <em>i</em>, 2 * 3 * 4</p>"),
        ("[w](to) [v](gone)", '<p><a href="/to/to">w</a> v</p>'),
        ("`[a](b)` `**`", "<p><code>[a](b)</code> <code>**</code></p>"),
        ("one\ntwo\n\nthree", "<p>one two</p>\n<p>three</p>"),
        ("1. a\n   more\n2. b", "<ol>\n<li>a more\n</li>\n<li>b\n</li>\n</ol>"),
        ("- a\n  - b\n- c", "<ul>\n<li>a\n<ul>\n<li>b\n</li>\n</ul>\n</li>\n<li>c\n</li>\n</ul>"),
        ("```sh\n<x>\n\n  y\n```", '<pre tabindex="0">&lt;x&gt;\n\n  y</pre>'),
        ("> a\n>\n> b", "<blockquote><p>a</p><p>b</p></blockquote>"),
        ("## A `k`\n\n## A `k`", '<h2 id="a-k">A <code>k</code></h2>\n<h2>A <code>k</code></h2>'),
    ],
)
def test_markdown_as_the_documents_use_it(text, html):
    assert shown(text) == html


def test_a_row_has_the_anchor_of_its_key():
    page = manual_page("## S · `s`\n\n| k | v |\n|---|---|\n| `a.b` `|` | x |\n", lambda _: None)
    assert "s-a_b" in page.anchors and "<code>|</code></td><td>x</td>" in page.body
