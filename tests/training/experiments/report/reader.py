"""Reads a page of the report."""

from html.parser import HTMLParser


class Reader(HTMLParser):
    """Collects headings, pictures and text; fails on tags that do not close."""

    def __init__(self, document):
        super().__init__()
        self.open, self.pictures, self.text = [], [], ""
        self.feed(document)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.pictures.append(dict(attributes)["src"])
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
