"""The page: HTML from sections, with nothing that has to be fetched from elsewhere.

HTML is `Markup`, and all other text is escaped wherever the two meet, so that a folder of any name stays text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

PAGE = "index.html"
_STYLE = Path(__file__).with_name("page.css")


@dataclass(frozen=True)
class Section:
    """One numbered part of the page."""

    title: str
    body: Markup


def paragraph(text: str) -> Markup:
    """A paragraph of plain text."""
    return Markup("<p>{}</p>").format(text)


def figure(file: str, caption: str, width: int = 100) -> Markup:
    """An image that lies beside the page, what it shows in words, and its width in percent of the page's. A tap opens it alone."""
    image = Markup('<img src="{}" alt="{}" style="width: {}%">').format(file, caption, width)
    link = Markup('<div class="scroll"><a href="{}">{}</a></div>').format(file, image)
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(link, caption)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], text: Sequence[int] = (), total: bool = False) -> Markup:
    """A table of plain text; the first column and those numbered in `text` stand left, the last row is a total or not."""

    def line(cell: Markup, left: Markup, row: Sequence[str]) -> Markup:
        return Markup("").join((left if column in text else cell).format(words) for column, words in enumerate(row))

    head_line = line(Markup("<th>{}</th>"), Markup('<th class="text">{}</th>'), head)
    lines = [line(Markup("<td>{}</td>"), Markup('<td class="text">{}</td>'), row) for row in rows]
    last = Markup('<tr class="total">{}</tr>').format(lines.pop()) if total else Markup("")
    body = Markup("").join(Markup("<tr>{}</tr>").format(cells) for cells in [head_line, *lines])
    return Markup('<div class="scroll"><table>{}{}</table></div>').format(body, last)


def pair(parts: Iterable[tuple[str, str, Markup]]) -> Markup:
    """Parts side by side, each with a label and a name above it."""
    made = (Markup("<div><h3>{} <em>{}</em></h3>{}</div>").format(*part) for part in parts)
    return Markup('<div class="pair">{}</div>').format(Markup("").join(made))


def details(summary: str, lines: Iterable[str]) -> Markup:
    """A numbered list that opens on a tap."""
    items = Markup("").join(Markup("<li>{}</li>").format(line) for line in lines)
    return Markup("<details><summary>{}</summary><ol>{}</ol></details>").format(summary, items)


def missing(what: str, command: str) -> Markup:
    """Says that results are not there yet, and what makes them."""
    return Markup('<p class="missing">{} Make it with <code>{}</code>.</p>').format(what, command)


def source(text: str) -> Markup:
    """Where the figures of a section come from."""
    return Markup('<p class="source">Source: {}</p>').format(text)


def render(title: str, introduction: str, sections: Sequence[Section], footer: str) -> str:
    """The whole document."""
    numbered = list(enumerate(sections, 1))
    contents = Markup("").join(Markup('<li><a href="#s{}">{}</a></li>').format(number, section.title) for number, section in numbered)
    parts = Markup("").join(
        Markup('<section id="s{}"><h2>{}. {}</h2>{}</section>').format(number, number, section.title, section.body)
        for number, section in numbered
    )
    return Markup(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>{title}</title><style>{style}</style></head><body><h1>{title}</h1>{introduction}"
        "<nav><ol>{contents}</ol></nav><main>{parts}</main><footer>{footer}</footer></body></html>\n"
    ).format(
        title=title,
        style=Markup(_STYLE.read_text()),  # noqa: S704, our own file
        introduction=paragraph(introduction),
        contents=contents,
        parts=parts,
        footer=footer,
    )
