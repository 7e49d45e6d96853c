"""The resolution of near-duplicates: of all measured pairs, who is dropped for whom.

    losers  all evidence -> one task -> who is dropped for whom

The one task that holds something of every near-duplicate: about 45 bytes a document under the policy `direct`,
whatever the number of its pairs, which are sorted in bounded memory and pass by once. The policy `component` walks
the pairs to and fro and holds them all, about 80 bytes a pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corpus import duplicates
from corpus.part import read_part
from corpus.table import Columns, concat, take
from pipelines.external_sort import distinct, sort_rows
from pipelines.stage import Output

_RANK = ("source", "doc_id", "block", "row")
_JACCARD = ("inter", "union")


@dataclass(frozen=True)
class LosersJob:
    """What the resolution reads."""

    evidence: tuple[str, ...]
    policy: str


def losers_map(job: LosersJob, number: int, output: Output) -> None:
    """Resolves all edges at once and writes each loser with its winner and the measured Jaccard."""
    nodes = _Nodes.of(_ends(job.evidence))
    if nodes is None:
        return
    edges = _edges(job.evidence, nodes)
    found = _in_rank_order(edges, nodes) if job.policy == duplicates.Policy.DIRECT else _by_component(edges)
    losers = (nodes.identified(verdicts) for verdicts in found)
    output.write_all("losers.arrow", sort_rows(losers, ("block", "row")))


def _ends(evidence: Iterable[str]) -> Iterator[Columns]:
    """The documents at either end of every edge, each once for a table of edges."""
    for url in evidence:
        for side in ("a", "b"):
            names = [f"{side}_{name}" for name in _RANK]
            for edges in read_part(url, names):
                ends = {name: edges[f"{side}_{name}"] for name in _RANK}
                yield take(ends, np.unique(_address(ends["block"], ends["row"]), return_index=True)[1])


def _address(block: NDArray[np.uint32], row: NDArray[np.uint32]) -> NDArray[np.uint64]:
    return block.astype(np.uint64) << np.uint64(32) | row


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Every document that has a near-duplicate, numbered by rank.

    Attributes:
        documents: Their ids and addresses, in rank order.
        address: uint64[n], the addresses, ascending.
        rank: uint32[n], the number of the document at each.
    """

    documents: Columns
    address: NDArray[np.uint64]
    rank: NDArray[np.uint32]

    @classmethod
    def of(cls, ends: Iterator[Columns]) -> _Nodes | None:
        """Numbers them; None where there are none."""
        found = concat(distinct(sort_rows(ends, _RANK), _RANK))
        if not found:
            return None
        del found["source"]
        address = _address(found["block"], found["row"])
        rank = np.argsort(address).astype(np.uint32)
        return cls(found, address[rank], rank)

    def find(self, block: NDArray[np.uint32], row: NDArray[np.uint32]) -> NDArray[np.uint64]:
        """The numbers of the documents at these addresses."""
        return self.rank[np.searchsorted(self.address, _address(block, row))].astype(np.uint64)

    def identified(self, verdicts: Columns) -> Columns:
        """Verdicts on numbers as verdicts on documents."""
        loser = verdicts["loser"]
        return {
            "block": self.documents["block"][loser],
            "row": self.documents["row"][loser],
            "winner": self.documents["doc_id"][verdicts["winner"]],
            "via": self.documents["doc_id"][verdicts["via"]],
            **{name: verdicts[name] for name in _JACCARD},
        }


def _edges(evidence: Iterable[str], nodes: _Nodes) -> Iterator[Columns]:
    """Every edge: the numbers of both ends, and the measured Jaccard."""
    for url in evidence:
        for edges in read_part(url):
            better, worse = (nodes.find(edges[f"{side}_block"], edges[f"{side}_row"]) for side in ("a", "b"))
            yield {"better": better, "worse": worse, **{name: edges[name] for name in _JACCARD}}


def _in_rank_order(edges: Iterator[Columns], nodes: _Nodes) -> Iterator[Columns]:
    """The verdicts of the policy `direct`, as the edges pass by."""
    order = duplicates.RankOrder(len(nodes.rank))
    for table in sort_rows(edges, ("worse", "better")):
        better, worse = table["better"].astype(np.int64), table["worse"].astype(np.int64)
        drops = order.drops(better, worse)
        jaccard = take({name: table[name] for name in _JACCARD}, drops)
        yield {"loser": worse[drops], "winner": better[drops], "via": better[drops], **jaccard}


def _by_component(edges: Iterator[Columns]) -> Iterator[Columns]:
    """The verdicts of the policy `component`, of all edges at once."""
    whole = concat(edges)
    better, worse = whole["better"].astype(np.int64), whole["worse"].astype(np.int64)
    found = duplicates.resolve(better, worse, duplicates.Policy.COMPONENT)
    jaccard = take({name: whole[name] for name in _JACCARD}, found.pair)
    yield {"loser": found.loser, "winner": found.winner, "via": found.via, **jaccard}
