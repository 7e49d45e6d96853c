"""The file of a run: all that decides a training, read strictly from TOML, frozen, and its digest.

What is true of a machine and not of the training (the corpus's folder, the run's folder, devices) stands on the
command line. `workflows/runs/README.md` lists every key.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec
import rfc8785

from corpus.errors import RecipeError
from corpus.strict_toml import apply_override, convert, read_tree
from corpus.window_order import Segment

KEYS_PAGE = "workflows/runs/README.md"


class ModelShape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decoder of OPT's family (OPT, arXiv 2205.01068 section 2.1; what it leaves open from metaseq).

    Attributes:
        layers: Decoder layers, L.
        heads: Attention heads, H.
        width: Channels of the residual stream, D.
        feed_forward: Channels inside the feed-forward, F.
        vocabulary: Rows of the embedding: 50,265 ids, and so many more that it divides by 8.
        positions: The longest sequence; the table has two rows more, as fairseq's has.
        embedding_width: Channels of the embedding where they are not `width` (the 350M's 512), else 0.
        normalise: Where a sublayer's LayerNorm stands; "after", without a last one, is the released 350M.
        dropout: On what each sublayer adds to the residual stream; none on embeddings.
        attention_dropout: On attention weights.
        attention: "fused" draws attention dropout inside the kernel, which ties it to the topology; "eager" keys
            it.
    """

    layers: int
    heads: int
    width: int
    feed_forward: int
    vocabulary: int = 50272
    positions: int = 2048
    embedding_width: int = 0
    normalise: Literal["before", "after"] = "before"
    dropout: float = 0.1
    attention_dropout: float = 0.1
    attention: Literal["fused", "eager"] = "fused"

    @property
    def parameters(self) -> int:
        """N, as counted: weights, biases, norms, both embeddings; the head is the token embedding."""
        d, f = self.width, self.feed_forward
        layer = 4 * (d * d + d) + 2 * d * f + f + d + 4 * d
        embedding = self.vocabulary * (self.embedding_width or d) + (self.positions + 2) * d
        projections = 2 * d * self.embedding_width
        last_norm = 2 * d if self.normalise == "before" else 0
        return self.layers * layer + embedding + projections + last_norm


class Optimisation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AdamW and its learning rate (OPT section 2.2).

    Attributes:
        learning_rate: The peak.
        warmup_tokens: Trained tokens from 0 to the peak.
        decay_tokens: Trained tokens until `final_fraction` of the peak is reached, in a line; it stays there.
        final_fraction: Of the peak.
        betas: Decay of the moments.
        epsilon: Added to the root of the second moment.
        weight_decay: Decoupled, and on every parameter, norms and biases too: metaseq's were one flat parameter.
        clip: The gradient's greatest global norm; 0 for none.
        predivide: By what a gradient is divided before it is summed over replicas; the rest follows after.
            0: by their number. OPT-175B had about its root, for fp16's sake.
    """

    learning_rate: float
    warmup_tokens: int = 375_000_000
    decay_tokens: int = 300_000_000_000
    final_fraction: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    epsilon: float = 1e-8
    weight_decay: float = 0.1
    clip: float = 1.0
    predivide: float = 0.0


class Precision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In which numbers is computed and kept.

    Attributes:
        compute: Of activations and products; fp64 is for tests.
        master: Whether weights are kept in fp32 where `compute` has fewer bits.
    """

    compute: Literal["fp32", "bf16", "fp64"] = "bf16"
    master: bool = True


class Validation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Loss on what was held out, source by source.

    Attributes:
        every: Updates between two of them, and one at the end; 0 for none (metaseq: 2,000).
        windows: At most so many of each source, the first; 0 for all.
    """

    every: int = 2000
    windows: int = 0


class MeshConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the processes of a run share its work; decides no value but through rounding.

    Attributes:
        replicate: Copies of the model, each sharded (HSDP).
        shard: Processes that share weights, moments and gradients of a copy (FSDP); 0 for all that are left.
        tp: Processes that share each layer (tensor parallelism); neighbours in rank.
        backend: "dtensor", with activations split between layers too; or "fairscale", the layers of OPT's day.
        recompute: Whether backward computes each layer's activations again instead of keeping them.
        reshard: Whether a layer's weights are let go of after its forward pass, and gradients of each micro-batch
            summed at once. False, as OPT had it, is quicker and takes memory for both.
    """

    replicate: int = 1
    shard: int = 0
    tp: int = 1
    backend: Literal["dtensor", "fairscale"] = "dtensor"
    recompute: bool = False
    reshard: bool = True

    def sizes(self, world: int) -> tuple[int, int, int]:
        """(replicate, shard, tp) for so many processes.

        Raises:
            RecipeError: They are not as many as the mesh has places.
        """
        shard = self.shard or world // (self.replicate * self.tp)
        if self.replicate * shard * self.tp != world:
            asked = f"{self.replicate} x {self.shard or 'any'} x {self.tp}"
            raise RecipeError(
                f"a mesh of {asked} cannot be made of {world:,} processes",
                where="mesh.replicate, mesh.shard, mesh.tp",
                remedy="start as many with torchrun --nproc-per-node, or give axes whose product they are",
            )
        return self.replicate, shard, self.tp


class Checkpoints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is saved of a run, and what stays.

    Attributes:
        every: Updates between two checkpoints, and one at the end; 0 for that one alone (metaseq: 2,000).
        keep: The last so many stay. Unpublished: our choice.
        keep_every: So do those at multiples of so many updates; 0 for none.
    """

    every: int = 2000
    keep: int = 2
    keep_every: int = 0


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that decides a training.

    Attributes:
        name: Of the run, in tables and file names.
        seed: Keys the initial values, the order of windows, and dropout (metaseq: 1).
        steps: Updates of the model.
        batch: Sequences of an update, over all replicas.
        sequence: Tokens of a sequence; a window has one more.
        micro_batch: Sequences that a replica computes at once; 0 for its whole share. Decides no value but
            through rounding.
        segment: What changes in the data, from which update on.
    """

    name: str
    model: ModelShape
    optimisation: Optimisation
    steps: int
    batch: int
    seed: int = 1
    sequence: int = 2048
    micro_batch: int = 0
    precision: Precision = Precision()
    validation: Validation = Validation()
    mesh: MeshConfig = MeshConfig()
    checkpoint: Checkpoints = Checkpoints()
    segment: tuple[Segment, ...] = (Segment(),)

    @property
    def tokens_per_update(self) -> int:
        """Tokens that are predicted in an update."""
        return self.batch * self.sequence

    def canonical(self) -> bytes:
        """RFC 8785 JSON of every key, defaults included."""
        return rfc8785.dumps(msgspec.to_builtins(self))

    def digest(self) -> str:
        """sha256 of the canonical bytes, 64 hex digits."""
        return hashlib.sha256(self.canonical()).hexdigest()


def load_run(path: str, overrides: tuple[str, ...] = ()) -> RunConfig:
    """Reads the file of a run and applies `--set key=value`.

    Raises:
        RecipeError: It is missing, no TOML, has an unknown key, or its values cannot go together.
    """
    tree = read_tree(path, "run", "name a file of workflows/runs")
    for override in overrides:
        apply_override(tree, override)
    config = convert(tree, RunConfig, path, "run", KEYS_PAGE)
    for holds, key, what, remedy in _rules(config):
        if not holds:
            raise RecipeError(what, where=f"{path}, {key}", remedy=remedy)
    return config


def _rules(config: RunConfig) -> list[tuple[bool, str, str, str]]:
    """(whether it holds, key, what is wrong, remedy), for each rule that a type cannot say."""
    model, optimisation, precision = config.model, config.optimisation, config.precision
    sizes: dict[str, Any] = {
        "steps": config.steps,
        "batch": config.batch,
        "sequence": config.sequence,
        "model.layers": model.layers,
        "model.heads": model.heads,
        "model.feed_forward": model.feed_forward,
        "model.vocabulary": model.vocabulary,
        "optimisation.learning_rate": optimisation.learning_rate,
        "mesh.replicate": config.mesh.replicate,
        "mesh.tp": config.mesh.tp,
        "checkpoint.keep": config.checkpoint.keep,
    }
    rules = [(value > 0, key, f"{key} is {value}", "give a number above 0") for key, value in sizes.items()]
    counts: dict[str, int] = {
        "micro_batch": config.micro_batch,
        "validation.every": config.validation.every,
        "validation.windows": config.validation.windows,
        "mesh.shard": config.mesh.shard,
        "checkpoint.every": config.checkpoint.every,
        "checkpoint.keep_every": config.checkpoint.keep_every,
    }
    rules += [(value >= 0, key, f"{key} is {value}", "give 0 or more") for key, value in counts.items()]
    rules += _mesh_rules(config)
    chances = {"model.dropout": model.dropout, "model.attention_dropout": model.attention_dropout}
    rules += [(0 <= p < 1, key, f"{key} is {p}", "give 0 or more, below 1") for key, p in chances.items()]
    # Four channels share a draw of dropout.
    divides = model.width > 0 and model.width % max(1, model.heads) == 0 and model.width % 4 == 0
    heads = f"a width of {model.width} does not divide into {model.heads} heads, or not by 4"
    rules += [
        (divides, "model.width", heads, "give a multiple of the heads and of 4"),
        (
            config.sequence <= model.positions,
            "sequence",
            f"a sequence of {config.sequence} tokens is longer than the {model.positions} positions",
            "give model.positions as many, or a shorter sequence",
        ),
        (
            0 <= optimisation.warmup_tokens < optimisation.decay_tokens,
            "optimisation.warmup_tokens",
            "the learning rate is to rise for longer than it has until its end",
            "give optimisation.decay_tokens more",
        ),
        (
            config.checkpoint.keep_every % (config.checkpoint.every or 1) == 0,
            "checkpoint.keep_every",
            f"a checkpoint every {config.checkpoint.every} updates is none at every multiple of "
            f"{config.checkpoint.keep_every}",
            "give a multiple of checkpoint.every",
        ),
        (
            precision.master or precision.compute != "bf16",
            "precision.master",
            "bf16 weights without an fp32 master learn less: updates drown in their 8 bits (measured on a small "
            "model: a loss of 2.19 where a master reaches 2.00)",
            "keep master = true; OPT itself did without one, in fp16, whose 11 bits suffice",
        ),
    ]
    return rules


def _mesh_rules(config: RunConfig) -> list[tuple[bool, str, str, str]]:
    """The same of what tensor parallelism splits: evenly or not at all."""
    model, parts = config.model, max(1, config.mesh.tp)
    split = {
        "model.heads": model.heads,
        "model.feed_forward": model.feed_forward,
        "model.vocabulary": model.vocabulary,
        "model.embedding_width": model.embedding_width,
    }
    if config.mesh.backend == "dtensor":
        split["sequence"] = config.sequence
    remedy = "give a mesh.tp that divides it, or another size"
    return [
        (size % parts == 0, "mesh.tp", f"{key}, {size:,}, does not divide by the {parts} of mesh.tp", remedy)
        for key, size in split.items()
    ]
