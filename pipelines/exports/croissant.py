"""Croissant 1.1 with RAI: the corpus for the tools that find and load datasets, as JSON-LD.

Beside the store, or with the store's root as its folder, its record sets can be read: the ledger, a row for every
record that was read, and the placement, a row for every document kept. Shards are files of tokens, and no records.

Source: Croissant Format Specification 1.1 and Croissant RAI Specification 1.0, MLCommons.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from corpus.ledger import LEDGER_STAGE, LEDGER_SUFFIX
from corpus.provenance import SHARDS_STAGE
from corpus.recipe import Recipe
from pipelines.crawled import Known
from pipelines.exports.harmless_json import harmless_json
from pipelines.exports.questions import NEEDS_HUMAN, Asked
from pipelines.exports.words import domain_words, drop_words, rule_words
from pipelines.sealed_corpus import NOASSERTION, SealedCorpus

# Source: Croissant 1.1, appendix "JSON-LD context", and RAI's and PROV-O's prefixes.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_CONFORMS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
_TABLES = {"ledger": (LEDGER_STAGE, LEDGER_SUFFIX), "placement": (SHARDS_STAGE, ".placement.parquet")}
# Of the tables' columns (corpus/ledger.py, corpus/provenance.py) those of the commonest use.
_FIELDS = {
    "ledger": {
        "doc_id": ("sc:Text", "the document: 16 bytes"),
        "source": ("sc:Integer", "the source, an index of the recipe's sources"),
        "blob": ("sc:Integer", "the input file, an index of the manifest's blobs"),
        "record": ("sc:Integer", "the record's number in that file"),
        "offset": ("sc:Integer", "where it starts in the uncompressed file, bytes"),
        "raw_bytes": ("sc:Integer", "the bytes it takes there"),
        "text_bytes": ("sc:Integer", "the bytes of the normalised text"),
        "drop": ("sc:Integer", "0 where it is kept, else why not"),
        "winner": ("sc:Text", "of a duplicate, the document that stayed: 16 bytes"),
    },
    "placement": {
        "ledger": ("sc:Integer", "the part of the ledger that has the document's row"),
        "row": ("sc:Integer", "its row there, from 0"),
    },
}
_MEDIA = {
    ".json": "application/json",
    ".parquet": "application/x-parquet",  # as the specification writes it
    ".bin": "application/octet-stream",
    ".idx": "application/octet-stream",
}


def croissant(corpus: SealedCorpus, known: Mapping[str, Known], asked: Asked) -> bytes:
    """The JSON-LD document, to lie in the store's root."""
    manifest = corpus.manifest
    ni = base64.urlsafe_b64encode(bytes.fromhex(corpus.digest)).decode().rstrip("=")
    licences = [asked.ask("corpus.licence") or "; ".join(corpus.licences)]
    made = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS,
        "name": manifest.name,
        "description": manifest.recipe.description or f"{corpus.subject}, a corpus sealed by Tokentrail",
        # A name by digest (RFC 6920) where there is no page: it names these bytes and no others.
        "url": asked.ask("corpus.homepage") or f"ni:///sha-256;{ni}",
        "identifier": f"sha256:{corpus.digest}",
        "version": manifest.version,
        "license": licences,
        "creator": {"@type": "sc:Organization", "name": asked.ask("corpus.creator") or NEEDS_HUMAN},
        "dateCreated": corpus.instant("finished")[:10],
        "datePublished": corpus.entry.time[:10],  # when it got its name and could be read under it
        "citeAs": asked.ask("corpus.citation") or NEEDS_HUMAN,
        "isLiveDataset": False,
        "prov:wasDerivedFrom": [_origin(source.said.name, manifest.recipe) for source in corpus.sources],
        "distribution": [*_files(corpus), *_tables(corpus)],
        "recordSet": [_record_set(name) for name in _TABLES],
        **_responsible(corpus, known, asked),
    }
    if languages := sorted({label for one in known.values() for label in one.languages}):
        made["inLanguage"] = languages
    return harmless_json(made).encode() + b"\n"


def _origin(name: str, recipe: Recipe) -> dict[str, Any]:
    said = next(source for source in recipe.source if source.name == name)
    origin: dict[str, Any] = {"@type": "prov:Entity", "name": said.title or said.name, "license": said.licence}
    if said.url.startswith(("https://", "http://")):
        origin["url"] = said.url
    if said.holder:
        origin["prov:wasAttributedTo"] = {"@type": "prov:Agent", "name": said.holder}
    return origin


def _files(corpus: SealedCorpus) -> list[dict[str, Any]]:
    """The manifest, the shards and the tables, each with its sha256; what lies between the stages is nobody's."""
    shown = [f"manifests/{corpus.digest}.json"]
    for stage, endings in (
        (LEDGER_STAGE, (LEDGER_SUFFIX,)),
        (SHARDS_STAGE, (".bin", ".idx", ".placement.parquet")),
    ):
        names = (part.name for part in corpus.manifest.stage(stage).parts)
        shown += [corpus.part_path(stage, name) for name in names if name.endswith(endings)]
    return [
        {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path.rpartition("/")[2],
            "contentUrl": path,
            "contentSize": f"{corpus.files[path].size} B",
            "encodingFormat": _MEDIA[path[path.rindex(".") :]],
            "sha256": corpus.files[path].sha256,
        }
        for path in shown
    ]


def _tables(corpus: SealedCorpus) -> list[dict[str, Any]]:
    """Each table's files as one set: it is cut into as many as there were partitions or shards."""
    return [
        {
            "@type": "cr:FileSet",
            "@id": f"{name}-files",
            "name": f"{name}-files",
            "encodingFormat": _MEDIA[".parquet"],
            "includes": corpus.part_path(stage, f"*{ending}"),
        }
        for name, (stage, ending) in _TABLES.items()
    ]


def _record_set(table: str) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{table}/{column}",
                "name": column,
                "description": meaning,
                "dataType": kind,
                "source": {"fileSet": {"@id": f"{table}-files"}, "extract": {"column": column}},
            }
            for column, (kind, meaning) in _FIELDS[table].items()
        ],
    }


def _responsible(corpus: SealedCorpus, known: Mapping[str, Known], asked: Asked) -> dict[str, Any]:
    """RAI: what was measured is told, what is a judgement needs a human."""
    found: dict[str, Any] = {
        "rai:dataCollection": "; ".join(
            f"{source.said.name}: {domain_words(known[source.said.name], source.balance.kept)}"
            for source in corpus.sources
        ),
        "rai:dataPreprocessingProtocol": rule_words(corpus),
        "rai:dataCollectionMissingData": drop_words(corpus),
        "rai:dataBiases": asked.ask("corpus.biases") or NEEDS_HUMAN,
        "rai:dataUseCases": asked.ask("corpus.uses") or NEEDS_HUMAN,
        "rai:personalSensitiveInformation": asked.ask("corpus.personal-data") or NEEDS_HUMAN,
    }
    days = [day for one in known.values() for day in (one.first, one.last) if day]
    if days:
        found["rai:dataCollectionTimeframe"] = [min(days), max(days)]
    if NOASSERTION in corpus.licences:
        found["rai:dataLimitations"] = "nobody asserts a licence for all sources: see each source's own"
    return found
