"""HTML from parts."""

import re

from tests.training.experiments.report.reader import Reader
from training.experiments.report import html_page


def test_text_from_outside_is_escaped():
    parts = (
        *(html_page.table(("<x>",), [("<x>",)]), html_page.missing("<x>", "<x>"), html_page.paragraph("<x>"), html_page.source("<x>")),
        *(html_page.figure("<x>", '"<x>'), html_page.pair([("<x>", "<x>", html_page.table(("<x>",), []))])),
    )
    document = html_page.render("<x>", "<x>", [html_page.Section("<x> & y", part) for part in parts], "<x>")
    assert "<x>" not in document
    assert "&lt;x&gt; &amp; y" in document
    Reader(document)


def test_sections_are_numbered_and_listed():
    document = html_page.render(
        "title", "words", [html_page.Section(name, html_page.paragraph(name)) for name in ("first", "second")], "end"
    )
    assert re.findall(r'<a href="#(s\d)">(\w+)</a>', document) == [("s1", "first"), ("s2", "second")]
    assert re.findall(r'<section id="(s\d)"><h2>(.*?)</h2>', document) == [("s1", "1. first"), ("s2", "2. second")]


def test_nothing_is_fetched_from_elsewhere():
    document = html_page.render("title", "words", [html_page.Section("a", html_page.figure("a.png", "a"))], "end")
    assert set(re.findall(r'(?:src|href)="([^"#]+)"', document)) == {"a.png"}
    assert "url(" not in document


def test_columns_of_text_stand_left_and_a_total_last():
    made = html_page.table(("a", "b"), [("x", "1"), ("y", "2"), ("sum", "3")], text=(0,), total=True)
    assert re.findall(r"<tr[^>]*>.*?</tr>", made)[-1] == '<tr class="total"><td class="text">sum</td><td>3</td></tr>'
