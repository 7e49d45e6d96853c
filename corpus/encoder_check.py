"""The fast encoder held to the definition while a corpus is built: one document in 1,024 is encoded by both.

The probe of `behaviour_digest` is the same for every corpus; this is the corpus itself. Which documents are taken
follows from their ids, so that a corpus which fails fails again, on any machine and with any number of workers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.errors import IntegrityError
from corpus.tokenizer import Encoder, Tokens, Vocabulary, encode_documents

# Unpublished: our choice; a power of two. `tokenizers` takes some sixty times as long: a fifteenth of encoding.
ONE_IN = 1024
_SHOWN = 40  # bytes of text on either side of where two encodings part


@dataclass(frozen=True, eq=False)
class EncoderCheck:
    """An encoder beside the one that defines the ids.

    Attributes:
        encoder: Whose ids go into the corpus.
        definition: Whose ids are right.
        vocabulary: The order of ids.
    """

    encoder: Encoder
    definition: Encoder
    vocabulary: Vocabulary

    def check(self, doc_ids: NDArray[np.uint8], texts: Texts, tokens: Tokens) -> int:
        """Encodes one document in 1,024 again and compares; gives how many it took.

        Args:
            doc_ids: uint8[n, 16].
            texts: n documents.
            tokens: What `encoder` made of them, in the vocabulary's ids.

        Raises:
            IntegrityError: The ids of a document differ.
        """
        low = np.ascontiguousarray(doc_ids[:, -4:]).view(">u4").ravel()
        rows = np.flatnonzero(low % ONE_IN == 0)
        if not len(rows):
            return 0
        right = encode_documents(self.definition, self.vocabulary, texts.take(rows))
        for place, row in enumerate(rows.tolist()):
            if not np.array_equal(tokens[row], right[place]):
                raise self._parted(doc_ids[row].tobytes(), texts[row], tokens[row], right[place])
        return len(rows)

    def _parted(
        self, doc_id: bytes, text: bytes, ids: NDArray[np.uint16], right: NDArray[np.uint16]
    ) -> IntegrityError:
        shared = min(len(ids), len(right))
        first = int(np.argmax(np.append(ids[:shared] != right[:shared], True)))
        at = len(self.vocabulary.decode(right[:first].tolist()))
        near = text[max(0, at - _SHOWN) : at + _SHOWN].decode(errors="replace")
        definition = self.definition.name
        return IntegrityError(
            f"{self.encoder.name} {self.encoder.version} does not encode as {definition} does",
            where=f"document {doc_id.hex()}, token {first:,}, near {near!r}",
            remedy=f"build with --encoder {definition}, and report that text to {self.encoder.name}'s makers",
        )
