"""How a recipe's sources add up beside the paper's corpus: what is known of each, and an unknown rest."""

from __future__ import annotations

from corpus.recipe import Recipe
from corpus.source import Found
from corpus.source_catalogue import Catalogue, Expected
from pipelines.progress import megabytes
from pipelines.source_tables import UNKNOWN, billions, blobs_of, estimate, tokens_of, wrapped
from pipelines.summary import table


def reconciliation(recipe: Recipe, found: Found, catalogue: Catalogue) -> str:
    """Expected bytes and tokens per source beside the paper's whole; the residual is named as unknown.

    Bytes are of UTF-8 text before duplicates go; the paper's are after.
    """
    paper = catalogue.paper
    rows, silent = [], []
    published: dict[str, None] = {}  # in the order of the sources
    known_bytes = known_tokens = 0
    for source in recipe.source:
        entry = catalogue.of(source)
        expected = entry.expected if entry else Expected()
        here = megabytes(sum(blob.size for blob in blobs_of(source, recipe, found)))
        if expected.text_bytes is None:
            silent.append(source.name)
            rows.append([source.name, here, UNKNOWN, "", tokens_of(expected, paper)])
            continue
        size = expected.text_bytes.value
        known_bytes += size
        known_tokens += estimate(expected, paper)
        published[expected.text_bytes.source] = None
        rows.append([source.name, here, *_sum(size, catalogue), tokens_of(expected, paper)])
    total, tokens = paper.text_bytes.value, paper.tokens.value
    rows.append(["known in all", "", *_sum(known_bytes, catalogue), f"{billions(known_tokens)}~"])
    rows.append(["the paper", "", *_sum(total, catalogue), billions(tokens)])
    rows.append(["residual", "", *_sum(total - known_bytes, catalogue), f"{billions(tokens - known_tokens)}~"])
    silence = f"what {', '.join(silent)} hold, which nobody published, less " if silent else "less "
    return "\n\n".join(
        [
            table(["source", "files here", "text expected", "of paper", "tokens"], rows),
            wrapped(f"The residual is unknown: {silence}what cleaning and duplicates took of all of it."),
            wrapped(
                f"~ tokens from memory, or at the paper's own {total / tokens:.2f} bytes where nobody counted. "
                "Text expected is before duplicates go, the paper's is after. Figures: "
                f"{'; '.join((*published, paper.text_bytes.source, paper.tokens.source))}."
            ),
        ]
    )


def _sum(size: int, catalogue: Catalogue) -> list[str]:
    return [megabytes(size), f"{100 * size / catalogue.paper.text_bytes.value:.1f}%"]
