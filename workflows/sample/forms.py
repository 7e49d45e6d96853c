"""The text form of each set of the Pile: how one document looks once the Pile's authors had it.

Source: the component readers of EleutherAI/the-pile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from math import gcd

from draws import Draws
from prose import Passage, sentences

# Smallest page before the heavy tail makes it longer, bytes; the Pile's mean web page is 4.3 KiB.
PAGE_BYTES = (1_800, 40_000)
# DM Mathematics is cut at this length, at an even line. Source: The Pile, data sheet of the component.
MATHEMATICS_BYTES = 8_192
# html2text's default line length, which HackerNews texts keep.
HACKERNEWS_COLUMNS = 78
BOOK_COLUMNS = 70

_ONES = ("One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")


def pages(passages: Iterable[Passage], draws: Draws) -> Iterator[list[Passage]]:
    """Groups neighbouring passages of one origin into pages of heavy-tailed length."""
    for _, group in groupby(passages, key=lambda passage: passage.origin.partition("#")[0]):
        page: list[Passage] = []
        size, limit = 0, draws.heavy_tailed(*PAGE_BYTES)
        for passage in group:
            page.append(passage)
            size += sum(map(len, passage.paragraphs))
            if size >= limit:
                yield page
                page, size, limit = [], 0, draws.heavy_tailed(*PAGE_BYTES)
        if page:
            yield page


def web_page(page: list[Passage]) -> str:
    """Pile-CC and OpenWebText2: headings and paragraphs with a blank line between."""
    return "\n\n".join(
        block
        for title, passages in groupby(page, key=lambda passage: passage.title)
        for block in (title, *(paragraph for passage in passages for paragraph in passage.paragraphs))
    )


def patent_background(page: list[Passage]) -> str:
    """USPTO Backgrounds: paragraphs with a line break between, under numbered headings."""
    field, *related = [paragraph for passage in page for paragraph in passage.paragraphs]
    lines = ["1. Field of the Invention", field]
    if related:
        lines += ["2. Description of the Related Art", *related]
    return "\n".join(lines)


def article(passage: Passage) -> str:
    """Wikipedia (en): the title, a blank line, the body."""
    return passage.title + "\n\n" + "\n\n".join(passage.paragraphs)


def abstract(passage: Passage) -> str:
    """PubMed Abstracts: the title, then the abstract in one piece."""
    return passage.title + ".\n" + " ".join(passage.paragraphs)


def film(act: Passage) -> str:
    """OpenSubtitles: each utterance in double quotes, one space between, a film on one line."""
    return " ".join(f'"{speech}"' for speech in act.paragraphs)


def paper(page: list[Passage]) -> str:
    """ArXiv: LaTeX that pandoc made Markdown."""
    summary, *rest = [paragraph for passage in page for paragraph in passage.paragraphs]
    blocks = [f"---\nabstract: |\n    {summary}\n---", f"{page[0].title} {{#sec:1}}\n" + "=" * len(page[0].title)]
    for number, paragraph in enumerate(rest, 1):
        blocks.append(paragraph)
        if number % 5 == 0:
            blocks.append(f"$$\\label{{eq:{number}}}\n\\hat{{x}}_{{{number}}} = \\sum_{{i=1}}^{{n}} w_i x_i$$")
    return "\n\n".join(blocks)


def discussion(page: list[Passage], draws: Draws) -> str:
    """HackerNews: a head, `======`, top comments `------` apart, below each a chain of replies `~~~` apart."""
    title, said = page[0].title, [sentence for passage in page for sentence in sentences(passage)]
    head = f"{title} - {_name(draws)}\n"
    if draws.chance(0.7):
        head = "\n" + head + f"http://www.example.com/{title.lower().replace(' ', '-')}\n"
    if draws.chance(0.3):
        head = "\n" + head + said.pop() + "\n"
    text, start = head + "======\n", 0
    while start < len(said):
        end = start + draws.between(1, 4)
        mark = "" if start == 0 else draws.pick(("------\n", "~~~\n", "~~~\n"))
        text += f"{mark}{_name(draws)}\n{wrapped(' '.join(said[start:end]), HACKERNEWS_COLUMNS)}\n\n"
        start = end
    return text


def book(chapters: list[Passage], draws: Draws) -> str:
    """Gutenberg (PG-19): a whole book in lines of 70 columns, with chapter headings and now and then notices."""
    title = chapters[0].title
    heading = draws.pick((_spelt_heading, "CHAPTER {}.".format, "Chapter {}".format))
    blocks = [title.upper()]
    for number, chapter in enumerate(chapters, 1):
        blocks += [f"\n{heading(number)}", *(wrapped(verse, BOOK_COLUMNS) for verse in chapter.paragraphs)]
    body = "\n\n".join(blocks)
    if not draws.chance(0.3):
        return body
    # Source: the form of the notices, Project Gutenberg's etexts since 2000.
    return (
        f"The Project Gutenberg EBook of {title}\n\nThis ebook by Project Gutenberg is a sample.\n\n"
        f"*** START OF THIS PROJECT GUTENBERG EBOOK {title.upper()} ***\n\n\n{body}\n\n\n"
        f"*** END OF THIS PROJECT GUTENBERG EBOOK {title.upper()} ***\n"
    )


def mathematics(draws: Draws) -> Iterator[str]:
    """DM Mathematics: question and answer on alternating lines, one module a document."""
    modules: tuple[Callable[[Draws], tuple[str, str]], ...] = (
        _sum,
        _equation,
        _remainder,
        _divisor,
        _place,
        _compare,
    )
    while True:
        ask, lines, size = draws.pick(modules), list[str](), 0
        while size < MATHEMATICS_BYTES:
            pair = ask(draws)
            lines += pair
            size += sum(map(len, pair)) + 2
        yield "\n".join(lines) + "\n"


def wrapped(text: str, columns: int) -> str:
    """The words of a text in lines of at most so many columns, filled greedily."""
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) >= columns and line:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


def _spelt_heading(number: int) -> str:
    return f"Chapter {_ONES[number - 1] if number <= len(_ONES) else number}"


def _name(draws: Draws) -> str:
    return f"user{draws.between(1, 900):04d}"


def _integer(draws: Draws) -> int:
    digits = draws.between(1, 6)
    return draws.between(1 - 10**digits, 10**digits - 1)


def _sum(draws: Draws) -> tuple[str, str]:
    a, b = _integer(draws), _integer(draws)
    question, answer = draws.pick(
        ((f"Calculate {a} + {b}.", a + b), (f"What is {a} minus {b}?", a - b), (f"Multiply {a} and {b}.", a * b))
    )
    return question, str(answer)


def _equation(draws: Draws) -> tuple[str, str]:
    a, x, b = draws.between(2, 99), _integer(draws), _integer(draws)
    letter = draws.pick("abcdhjklmnpqrstuvwxyz")
    sign = "-" if b < 0 else "+"
    return f"Solve {a}*{letter} {sign} {abs(b)} = {a * x + b} for {letter}.", str(x)


def _remainder(draws: Draws) -> tuple[str, str]:
    a, b = abs(_integer(draws)), draws.between(2, 999)
    return f"Calculate the remainder when {a} is divided by {b}.", str(a % b)


def _divisor(draws: Draws) -> tuple[str, str]:
    common = draws.between(1, 400)
    a, b = common * draws.between(1, 900), common * draws.between(1, 900)
    return f"What is the greatest common factor of {a} and {b}?", str(gcd(a, b))


def _place(draws: Draws) -> tuple[str, str]:
    number = draws.between(10_000, 99_999_999)
    place = draws.below(4)
    name = ("units", "tens", "hundreds", "thousands")[place]
    return f"What is the {name} digit of {number}?", str(number // 10**place % 10)


def _compare(draws: Draws) -> tuple[str, str]:
    a, b = _integer(draws), _integer(draws)
    return f"Which is greater: {a} or {b}?", str(max(a, b))
