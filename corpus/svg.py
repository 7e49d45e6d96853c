"""A drawing: rectangles, paths and words as SVG whose colours are the page's, the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from corpus.page import seen

COLOURS = 8  # how many hues the page's style sheet has: Okabe and Ito's, told apart by the colour-blind


def number(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


class Drawing:
    """Marks in the order in which they are painted.

    Args:
        width: In pixels of a wide page; a narrow page scales or scrolls it.
        height: In the same pixels.
        says: What a person who cannot see it is told.
    """

    def __init__(self, width: float, height: float, says: str) -> None:
        self.width, self.height, self._says = width, height, says
        self._marks: list[str] = []

    def rectangle(
        self, box: tuple[float, float, float, float], style: str, tip: str = "", shade: float = 1
    ) -> None:
        """A box of (x, y, width, height), a tip where the pointer rests, and how opaque it is."""
        x, y, width, height = (number(value) for value in box)
        opacity = "" if shade >= 1 else f' fill-opacity="{shade:.2f}"'
        self._mark(f'rect x="{x}" y="{y}" width="{width}" height="{height}"{opacity}', "rect", style, tip)

    def path(self, steps: Iterable[str | float], style: str, tip: str = "") -> None:
        """SVG's own path: letters and numbers."""
        drawn = " ".join(step if isinstance(step, str) else number(step) for step in steps)
        self._mark(f'path d="{drawn}"', "path", style, tip)

    def words(self, x: float, y: float, text: str, style: str = "") -> None:
        """A line of text whose base line starts, ends or is centred at a point; a stranger's text is made safe."""
        classes = f' class="{style}"' if style else ""
        self._marks.append(f'<text x="{number(x)}" y="{number(y)}"{classes}>{escape(seen(text, 80))}</text>')

    def _mark(self, opening: str, name: str, style: str, tip: str) -> None:
        tipped = f"<title>{escape(seen(tip))}</title>" if tip else ""
        closing = f">{tipped}</{name}>" if tip else "/>"
        self._marks.append(f'<{opening} class="{style}"{closing}')

    def markup(self, style: str = "") -> Markup:
        """The drawing as an element of a page."""
        classes = f' class="{style}"' if style else ""
        return Markup(
            f'<svg{classes} viewBox="0 0 {number(self.width)} {number(self.height)}" width="{number(self.width)}"'
            f' role="img" aria-label="{escape(seen(self._says))}">\n' + "\n".join(self._marks) + "\n</svg>"
        )

    def file(self, style_sheet: str) -> str:
        """The drawing as a file of its own, with the style sheet that no page gives it."""
        opening, marks = str(self.markup()).split("\n", 1)
        named = opening.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        return f"{named}\n<style>{style_sheet}</style>\n{marks}\n"
