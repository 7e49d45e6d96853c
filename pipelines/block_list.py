"""Which blocks of datatrove a recipe may name, and why not the others.

A corpus is the same whatever the order, the batches and the number of workers, so only a block is admitted whose
answer for a document depends on that document, its parameters and the releases it names alone. Words are cut by
spaCy's rules for English, datatrove's default; for some other languages it would fetch a model, so the language is
no parameter. Python's Unicode tables take part as well: their version goes into the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_GOPHER_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_TOP_N_GRAMS = ((2, 0.2), (3, 0.18), (4, 0.16))
_DUP_N_GRAMS = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))


@dataclass(frozen=True)
class Admitted:
    """A block that may be named in a recipe.

    Attributes:
        path: The module below `datatrove.pipeline`, and the class.
        parameters: What a recipe may set, with the library's defaults; None where it has none.
        fixed: What is set for every recipe.
        reasons: The words a filter gives; `{}` stands for the first number of each pair of the named parameter.
        packages: What decides beside datatrove and Python.
    """

    path: tuple[str, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str | tuple[str, str], ...] = ()
    packages: tuple[str, ...] = ()


ADMITTED: Mapping[str, Admitted] = MappingProxyType(
    {
        "gopher-quality": Admitted(
            ("filters.gopher_quality_filter", "GopherQualityFilter"),
            parameters={
                "min_doc_words": 50,
                "max_doc_words": 100_000,
                "min_avg_word_length": 3,
                "max_avg_word_length": 10,
                "max_symbol_word_ratio": 0.1,
                "max_bullet_lines_ratio": 0.9,
                "max_ellipsis_lines_ratio": 0.3,
                "max_non_alpha_words_ratio": 0.8,
                "min_stop_words": 2,
                "stop_words": _GOPHER_STOP_WORDS,
            },
            reasons=(
                "gopher_short_doc",
                "gopher_long_doc",
                "gopher_below_avg_threshold",
                "gopher_above_avg_threshold",
                "gopher_too_many_hashes",
                "gopher_too_many_ellipsis",
                "gopher_too_many_bullets",
                "gopher_too_many_end_ellipsis",
                "gopher_below_alpha_threshold",
                "gopher_enough_stop_words",
            ),
            packages=("spacy",),
        ),
        "gopher-repetition": Admitted(
            ("filters.gopher_repetition_filter", "GopherRepetitionFilter"),
            parameters={
                "dup_line_frac": 0.3,
                "dup_para_frac": 0.3,
                "dup_line_char_frac": 0.2,
                "dup_para_char_frac": 0.2,
                "top_n_grams": _TOP_N_GRAMS,
                "dup_n_grams": _DUP_N_GRAMS,
            },
            reasons=(
                "empty",
                "dup_para_frac",
                "dup_para_char_frac",
                "dup_line_frac",
                "dup_line_char_frac",
                ("top_n_grams", "top_{}_gram"),
                ("dup_n_grams", "duplicated_{}_n_grams"),
            ),
            packages=("spacy",),
        ),
        "fineweb-quality": Admitted(
            ("filters.fineweb_quality_filter", "FineWebQualityFilter"),
            parameters={
                "line_punct_thr": 0.12,
                "line_punct_exclude_zero": False,
                "short_line_thr": 0.67,
                "short_line_length": 30,
                "char_duplicates_ratio": 0.01,
                "new_line_ratio": 0.3,
            },
            reasons=("empty", "line_punct_ratio", "short_line_ratio", "char_dup_ratio", "list_ratio"),
            packages=("spacy",),
        ),
        "c4-quality": Admitted(
            ("filters.c4_filters", "C4QualityFilter"),
            parameters={
                "split_paragraph": True,
                "remove_citations": True,
                "filter_no_terminal_punct": True,
                "min_num_sentences": 5,
                "min_words_per_line": 3,
                "max_word_length": 1000,
                "filter_lorem_ipsum": True,
                "filter_javascript": True,
                "filter_curly_bracket": True,
                "filter_policy": True,
            },
            reasons=("lorem_ipsum", "curly_bracket", "too_few_sentences"),
            packages=("spacy",),
        ),
        "c4-paragraph": Admitted(("filters.c4_filters", "C4ParagraphFilter"), reasons=("< 3 paragraphs",)),
        "regex": Admitted(("filters.regex_filter", "RegexFilter"), parameters={"regex_exp": None}),
        "ftfy": Admitted(
            ("formatters.ftfy", "FTFYFormatter"),
            parameters={
                "remove_terminal_escapes": True,
                "fix_encoding": True,
                "restore_byte_a0": True,
                "replace_lossy_sequences": True,
                "decode_inconsistent_utf8": True,
                "fix_c1_controls": True,
                "fix_latin_ligatures": False,
                "fix_character_width": False,
                "uncurl_quotes": False,
                "fix_line_breaks": False,
                "fix_surrogates": True,
                "remove_control_chars": True,
            },
            packages=("ftfy",),
        ),
        "symbol-lines": Admitted(
            ("formatters.symbol_lines_remover", "SymbolLinesFormatter"), parameters={"replace_char": ""}
        ),
        # One replacement each: handed several, it gives them out in turn, from document to document. Private
        # addresses go too: which are public is a table of Python's that moves with its patch releases.
        "pii": Admitted(
            ("formatters.pii", "PIIFormatter"),
            parameters={
                "remove_emails": True,
                "remove_ips": True,
                "email_replacement": "email@example.com",
                "ip_replacement": "22.214.171.124",
            },
            fixed={"only_remove_public_ips": False},
        ),
    }
)
"""The blocks a recipe may name."""

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "sampler": "draws from one running generator: what is kept depends on the documents before it",
        "c4-badwords": "fetches its word lists when it runs, and draws from one running generator",
        "language": "fetches its model when it runs, and its floats move with the processor; use text.language",
        "fasttext": "fetches its model when it runs, and its floats move with the processor",
        "unigram-log-probs": "fetches its word counts when it runs, and sums floats",
        "url": "fetches today's list of public suffixes when it runs; use the input's url_lists",
        "lambda": "runs code, and a recipe holds none",
    }
)
"""datatrove's other filters, and why a recipe may not name them."""
