"""The page: HTML from sections, with nothing that has to be fetched from elsewhere."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_STYLE = Path(__file__).with_name("page.css")


@dataclass(frozen=True)
class Section:
    """One numbered part of the page; `body` is HTML."""

    title: str
    body: str


def paragraph(text: str) -> str:
    """A paragraph of HTML."""
    return f"<p>{text}</p>"


def figure(file: str, caption: str, width: int = 100) -> str:
    """An image that lies beside the page, what it shows in words, and its width in percent of the page's."""
    image = f'<img src="{html.escape(file)}" alt="{html.escape(caption)}" style="width: {width}%">'
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], text: Sequence[int] = (), total: bool = False) -> str:
    """A table of plain text; the first column and those numbered in `text` stand left, the last row is a total or not."""
    rows = list(rows)

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="text">{html.escape(cell)}</{tag}>' if column in text else f"<{tag}>{html.escape(cell)}</{tag}>"
            for column, cell in enumerate(row)
        )

    body = [f'<tr class="total">{cells("td", row)}</tr>' if total and row is rows[-1] else f"<tr>{cells('td', row)}</tr>" for row in rows]
    return f'<div class="scroll"><table><tr>{cells("th", head)}</tr>{"".join(body)}</table></div>'


def missing(what: str, command: str) -> str:
    """Says that results are not there yet, and what makes them."""
    return f'<p class="missing">{html.escape(what)} Make it with <code>{html.escape(command)}</code>.</p>'


def source(text: str) -> str:
    """Where the figures of a section come from."""
    return f'<p class="source">Source: {html.escape(text)}</p>'


def render(title: str, introduction: str, sections: Sequence[Section], footer: str) -> str:
    """The whole document."""
    contents = "".join(f'<li><a href="#s{number}">{html.escape(section.title)}</a></li>' for number, section in enumerate(sections, 1))
    parts = "".join(
        f'<section id="s{number}"><h2>{number}. {html.escape(section.title)}</h2>{section.body}</section>'
        for number, section in enumerate(sections, 1)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE.read_text()}</style></head><body><h1>{html.escape(title)}</h1>{introduction}"
        f"<nav><ol>{contents}</ol></nav><main>{parts}</main><footer>{footer}</footer></body></html>\n"
    )
