"""Tables, and the parts of a document that a program writes."""

import re


class Table:
    """Lines of cells, printed aligned and written as Markdown."""

    def __init__(self, title, *head):
        self.title, self.lines = title, [list(head)]

    def add(self, *cells):
        self.lines.append([str(cell) for cell in cells])

    def markdown(self):
        widths = [max(len(line[i]) for line in self.lines) for i in range(len(self.lines[0]))]
        rows = [
            "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths)) + " |"
            for line in self.lines
        ]
        rows.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
        return f"## {self.title}\n\n" + "\n".join(rows) + "\n"


# A document has parts, each written by a program of its own, between comments.
def begin(name):
    return f"<!-- {name}: written by a program, see benchmarks/ -->"


def end(name):
    return f"<!-- end of {name} -->"


def with_part(document, name, text):
    """The document with its part `name` replaced by a text, or with one added at its end."""
    part = f"{begin(name)}\n{text.strip()}\n{end(name)}\n"
    pattern = re.escape(begin(name)) + ".*?" + re.escape(end(name)) + "\n?"
    replaced, count = re.subn(pattern, lambda _: part, document, count=1, flags=re.DOTALL)
    return replaced if count else document.rstrip("\n") + "\n\n" * bool(document) + part


def write_part(path, name, text):
    """Does that to a file, at once or not at all."""
    document = path.read_text() if path.exists() else ""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(with_part(document, name, text))
    unfinished.replace(path)
