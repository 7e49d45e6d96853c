"""What no store can answer: questions for a person, and the file of a person's answers.

    answered_by = "Jane Doe, Example Lab, 2026-11-20"

    [answers]
    "corpus.licence" = "NOASSERTION"
    "eu.provider" = "Example Lab, 1 Example Street, ..."

An export asks as it is written. What nobody answered stands in it as NEEDS HUMAN, what somebody did stands there
with their name, and `lint` lists the rest.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from corpus.errors import RecipeError
from corpus.strict_toml import convert, read_tree

NEEDS_HUMAN = "NEEDS HUMAN"

# Source of datasheet.*: Gebru et al., "Datasheets for Datasets", CACM 64(12), 2021, those of its questions that a
# text corpus raises. Source of eu.*: European Commission, template for the public summary of training content,
# C(2025) 5235 and C(2025) 8311, by its section numbers.
QUESTIONS: Mapping[str, str] = MappingProxyType(
    {
        "corpus.creator": "Who made this corpus: the person, team or body?",
        "corpus.contact": "Who answers questions about it, and where?",
        "corpus.homepage": "Which web page is it described on?",
        "corpus.licence": "Under which licence is it given to others, as SPDX writes it?",
        "corpus.citation": "How is it to be cited?",
        "corpus.personal-data": "Which personal or sensitive data may it hold, and what was done about it?",
        "corpus.uses": "What is it for, and what is it not to be used for?",
        "corpus.biases": "Which biases are known?",
        "datasheet.purpose": "For what purpose was the dataset created?",
        "datasheet.funding": "Who funded its creation?",
        "datasheet.representative": "Is it a sample of a larger set, and is it representative of that?",
        "datasheet.confidential": "Might it hold data that is confidential or protected by privilege?",
        "datasheet.offensive": "Might it hold what offends, insults, threatens or causes anxiety if viewed?",
        "datasheet.people": "Does it identify groups of people, or single persons, directly or indirectly?",
        "datasheet.collectors": "Who collected the data, and how were they paid?",
        "datasheet.ethics": "Was there an ethical review, and what came of it?",
        "datasheet.notice": "Were the people concerned notified, and did they consent?",
        "datasheet.revocation": "How can somebody revoke their consent or ask for removal?",
        "datasheet.impact": "Was the impact on the people concerned analysed?",
        "datasheet.used": "Has it been used already, and where is that listed?",
        "datasheet.future": "Does anything about how it was made limit what it may be used for later?",
        "datasheet.distribution": "Is it given to third parties, how, and when?",
        "datasheet.restrictions": "Do third parties' rights, export controls or other rules restrict it?",
        "datasheet.maintainer": "Who maintains it, and is there an erratum?",
        "datasheet.updates": "Will it be updated, by whom, how often, and how are users told?",
        "datasheet.retention": "Are there limits on how long data about people may be kept?",
        "datasheet.contributions": "Can others extend it, and how are contributions checked?",
        "eu.provider": "1.1 Provider's name and contact details",
        "eu.representative": "1.1 Authorised representative's name and contact details",
        "eu.model": "1.2 Versioned model names",
        "eu.dependencies": "1.2 Model dependencies",
        "eu.placement": "1.2 Date of placement of the model on the Union market",
        "eu.content-types": "1.3 Types of content in the text",
        "eu.latest-acquisition": "1.3 Latest date of data acquisition, for sources that do not know theirs",
        "eu.continuous": "1.3 Is the model trained on new data after that date?",
        "eu.characteristics": "1.3 Other relevant characteristics of the training data",
        "eu.public-datasets": "2.1 Which sources are publicly available datasets, and how are others described?",
        "eu.licensed": "2.2.1 Are there commercial licensing agreements with rightsholders?",
        "eu.private": "2.2.2 Are there private datasets from other third parties?",
        "eu.crawlers": "2.3 Were crawlers used by or for the provider; their names, purposes, behaviour?",
        "eu.crawled-content": "2.3 Which content and which online sources were crawled?",
        "eu.user-data": "2.4 Were data from users of the model or of other services used?",
        "eu.synthetic": "2.5 Were data used that AI made for the provider, and by which models?",
        "eu.other-sources": "2.6 Were other sources of data used?",
        "eu.code-of-practice": "3.1 Is the provider a signatory of the Code of Practice?",
        "eu.reservations": "3.1 Which measures respect reservations of rights from text and data mining?",
        "eu.illegal-content": "3.2 Which measures avoid or remove illegal content?",
    }
)


class Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person's answers, by question; without a file, nobody's and none."""

    answered_by: str = ""
    answers: dict[str, str] = {}


class Asked:
    """The questions that one export asks, and who answers them."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.open: list[str] = []

    def ask(self, key: str) -> str | None:
        """The answer; without one the question is taken down as open."""
        if answer := self._answers.answers.get(key):
            return answer
        if key not in self.open:
            self.open.append(key)
        return None

    @property
    def by(self) -> str:
        """Who answers."""
        return self._answers.answered_by


def load_answers(path: str) -> Answers:
    """Reads a file of answers, strictly.

    Raises:
        RecipeError: No such file, not TOML, an unknown question (the nearest is named), or nobody who answers.
    """
    tree = read_tree(path, "file of answers", "write one; audit.py lint lists the questions")
    for key in tree.get("answers", {}):
        if key not in QUESTIONS:
            near = difflib.get_close_matches(key, QUESTIONS, n=1) or ["audit.py lint lists the questions"]
            raise RecipeError(f"there is no question `{key}`", where=path, remedy=f"did you mean: {near[0]}")
    answers = convert(tree, Answers, path, "file of answers")
    if answers.answers and not answers.answered_by.strip():
        raise RecipeError("nobody answers", where=path, remedy='say who: answered_by = "name, body, date"')
    return answers
