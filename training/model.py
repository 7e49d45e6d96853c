"""OPT's decoder, a plain module with the names of Hugging Face's OPTForCausalLM; it knows no device, rank or mesh.

Weights may be kept in more bits than is computed in: a module casts its own to the dtype of what comes in. FSDP2's
MixedPrecisionPolicy casts them before, and then there is nothing left to cast: the same products either way.

    B  sequences     T  positions       S  positions attended to
    D  channels of the residual stream  E  channels of the embedding, mostly D
    F  channels of the feed-forward     H  heads      K  channels of a head      V  ids of the vocabulary
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config import ModelShape
from training.loss import cross_entropy
from training.precision import Dtypes
from training.residual_dropout import (
    AFTER_ATTENTION,
    AFTER_FEED_FORWARD,
    DropoutKeys,
    attention_dropout,
    residual_dropout,
)

# Source: fairseq, LearnedPositionalEmbedding: positions are counted from the padding id, 1; so the first is row 2.
POSITION_OFFSET: Final = 2


class Linear(nn.Linear):
    """A linear map in the dtype of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """x[..., in] -> [..., out]."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return functional.linear(x, self.weight.to(x.dtype), bias)


class LayerNorm(nn.LayerNorm):
    """A LayerNorm in the dtype of its input; its sums are in fp32 at least."""

    def forward(self, x: Tensor) -> Tensor:
        """x[..., D] -> [..., D]."""
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return functional.layer_norm(x, self.normalized_shape, weight, bias, self.eps)


class Surroundings(Protocol):
    """What the positions of a call attend to, where that is not just those before them in the call."""

    def positions(self, token_BT: Tensor) -> Tensor:
        """int64[T], the place of each in its text, from 0."""

    def attend(self, layer: int, query_BHTK: Tensor, key_BHTK: Tensor, value_BHTK: Tensor) -> Tensor:
        """[B, H, T, K], what each position's heads make of what it attends to."""


@dataclass
class Cache:
    """Keys and values of the positions seen, a layer each, for generating token by token.

    Attributes:
        length: Positions seen.
        keys: [B, H, S, K] of each layer, as long as the longest sequence to come.
        values: The same.
    """

    length: int
    keys: list[Tensor]
    values: list[Tensor]

    @classmethod
    def empty(cls, shape: ModelShape, sequences: int, like: Tensor) -> Cache:
        """Room for all positions, in the device and dtype of a tensor."""
        size = (sequences, shape.heads, shape.positions, shape.width // shape.heads)
        return cls(0, *([like.new_empty(size) for _ in range(shape.layers)] for _ in range(2)))

    def positions(self, token_BT: Tensor) -> Tensor:
        """See `Surroundings`."""
        return torch.arange(self.length, self.length + token_BT.shape[1], device=token_BT.device)

    def attend(self, layer: int, query_BHTK: Tensor, key_BHTK: Tensor, value_BHTK: Tensor) -> Tensor:
        """See `Surroundings`; the keys and values are kept."""
        new = key_BHTK.shape[2]
        end = self.length + new
        for stored, coming in ((self.keys[layer], key_BHTK), (self.values[layer], value_BHTK)):
            stored[:, :, self.length : end] = coming
        mask_TS = None if new in (1, end) else _causal(new, end, query_BHTK.device)
        return functional.scaled_dot_product_attention(
            query_BHTK, self.keys[layer][:, :, :end], self.values[layer][:, :, :end], mask_TS, is_causal=new == end
        )


class Attention(nn.Module):
    """Causal self-attention; a process may hold some of the heads."""

    def __init__(self, shape: ModelShape, layer: int) -> None:
        super().__init__()
        self.shape, self.layer = shape, layer
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (Linear(shape.width, shape.width) for _ in range(4))

    def forward(self, x_BTD: Tensor, keys: DropoutKeys | None, around: Surroundings | None) -> Tensor:
        """[B, T, D], what each position makes of those up to it."""
        channels = self.shape.width // self.shape.heads
        query_BHTK, key_BHTK, value_BHTK = (
            projected(x_BTD).unflatten(-1, (-1, channels)).transpose(1, 2)
            for projected in (self.q_proj, self.k_proj, self.v_proj)
        )
        if around is not None:
            heads_BHTK = around.attend(self.layer, query_BHTK, key_BHTK, value_BHTK)
        else:
            attend = _eager if self.shape.attention == "eager" else _fused
            heads_BHTK = attend(query_BHTK, key_BHTK, value_BHTK, self, keys)
        return self.out_proj(heads_BHTK.transpose(1, 2).flatten(2))


def _fused(
    query_BHTK: Tensor, key_BHTK: Tensor, value_BHTK: Tensor, own: Attention, keys: DropoutKeys | None
) -> Tensor:
    chance = 0.0 if keys is None else own.shape.attention_dropout
    return functional.scaled_dot_product_attention(
        query_BHTK, key_BHTK, value_BHTK, dropout_p=chance, is_causal=True
    )


def _eager(
    query_BHTK: Tensor, key_BHTK: Tensor, value_BHTK: Tensor, own: Attention, keys: DropoutKeys | None
) -> Tensor:
    scores_BHTS = query_BHTK @ key_BHTK.transpose(-1, -2) * query_BHTK.shape[-1] ** -0.5
    allowed_TS = _causal(scores_BHTS.shape[2], scores_BHTS.shape[3], scores_BHTS.device)
    weights_BHTS = scores_BHTS.masked_fill(~allowed_TS, -torch.inf).softmax(-1)
    return attention_dropout(weights_BHTS, keys, own.layer, own.shape.attention_dropout) @ value_BHTK


def _causal(new: int, seen: int, device: torch.device) -> Tensor:
    """bool[T, S], what each of the last `new` of `seen` positions may attend to."""
    return torch.ones(new, seen, dtype=torch.bool, device=device).tril(seen - new)


class Layer(nn.Module):
    """Attention and feed-forward, each added to the residual stream."""

    def __init__(self, shape: ModelShape, layer: int) -> None:
        super().__init__()
        self.shape, self.layer = shape, layer
        self.self_attn = Attention(shape, layer)
        self.self_attn_layer_norm = LayerNorm(shape.width)
        self.fc1 = Linear(shape.width, shape.feed_forward)
        self.fc2 = Linear(shape.feed_forward, shape.width)
        self.final_layer_norm = LayerNorm(shape.width)

    def forward(self, x_BTD: Tensor, keys: DropoutKeys | None, around: Surroundings | None) -> Tensor:
        """[B, T, D], the residual stream after this layer."""
        before = self.shape.normalise == "before"
        inner_BTD = self.self_attn_layer_norm(x_BTD) if before else x_BTD
        inner_BTD = self.self_attn(inner_BTD, keys, around)
        x_BTD = x_BTD + residual_dropout(inner_BTD, keys, self.layer, AFTER_ATTENTION, self.shape.dropout)
        x_BTD = x_BTD if before else self.self_attn_layer_norm(x_BTD)
        inner_BTD = self.final_layer_norm(x_BTD) if before else x_BTD
        inner_BTD = self.fc2(functional.relu(self.fc1(inner_BTD)))
        x_BTD = x_BTD + residual_dropout(inner_BTD, keys, self.layer, AFTER_FEED_FORWARD, self.shape.dropout)
        return x_BTD if before else self.final_layer_norm(x_BTD)


class Decoder(nn.Module):
    """Embeddings, layers and the last norm: from ids to what the head is applied to."""

    def __init__(self, shape: ModelShape, compute: torch.dtype) -> None:
        super().__init__()
        self.compute = compute
        narrow = shape.embedding_width or shape.width
        self.embed_tokens = nn.Embedding(shape.vocabulary, narrow)
        self.embed_positions = nn.Embedding(shape.positions + POSITION_OFFSET, shape.width)
        if shape.embedding_width:
            self.project_in = Linear(narrow, shape.width, bias=False)
            self.project_out = Linear(shape.width, narrow, bias=False)
        self.layers = nn.ModuleList(Layer(shape, layer) for layer in range(shape.layers))
        if shape.normalise == "before":
            self.final_layer_norm = LayerNorm(shape.width)

    def forward(self, token_BT: Tensor, keys: DropoutKeys | None, around: Surroundings | None) -> Tensor:
        """[B, T, E], the hidden states."""
        if around is not None:
            position_T = POSITION_OFFSET + around.positions(token_BT)
        else:
            position_T = torch.arange(POSITION_OFFSET, POSITION_OFFSET + token_BT.shape[1], device=token_BT.device)
        x_BTD = self.embed_tokens(token_BT).to(self.compute)
        if hasattr(self, "project_in"):
            x_BTD = self.project_in(x_BTD)
        x_BTD = x_BTD + self.embed_positions(position_T).to(self.compute)
        for layer in self.layers:
            x_BTD = layer(x_BTD, keys, around)
        if hasattr(self, "final_layer_norm"):
            x_BTD = self.final_layer_norm(x_BTD)
        return self.project_out(x_BTD) if hasattr(self, "project_out") else x_BTD


class _Body(nn.Module):
    """The level that Hugging Face's names have between the model and its decoder."""

    def __init__(self, shape: ModelShape, compute: torch.dtype) -> None:
        super().__init__()
        self.decoder = Decoder(shape, compute)


class Head(nn.Module):
    """What the token embedding does as the output: it has no weight of its own."""

    def forward(self, hidden_BTE: Tensor, weight_VE: Tensor, target_BT: Tensor | None) -> Tensor:
        """The summed cross-entropy of the targets, a scalar; without targets the logits, [B, T, V]."""
        if target_BT is None:
            return functional.linear(hidden_BTE, weight_VE.to(hidden_BTE.dtype))
        return cross_entropy(hidden_BTE.flatten(0, 1), weight_VE, target_BT.flatten())


class Opt(nn.Module):
    """OPT for causal language modelling; the head is the token embedding, so there is no parameter for it.

    Args:
        shape: Its sizes.
        compute: The dtype of activations and products.
    """

    def __init__(self, shape: ModelShape, compute: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.shape = shape
        self.model = _Body(shape, compute)
        self.head = Head()

    @classmethod
    def on_meta(cls, shape: ModelShape, kinds: Dtypes) -> Opt:
        """One without memory."""
        with torch.device("meta"):
            model = cls(shape, kinds.compute)
        model.to(kinds.parameters)
        return model

    def forward(
        self,
        token_BT: Tensor,
        target_BT: Tensor | None = None,
        keys: DropoutKeys | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """The summed cross-entropy of the targets, a scalar; without targets the logits, [B, T, V].

        Args:
            token_BT: int64, ids.
            target_BT: int64, the id that follows each.
            keys: What dropout is drawn by; None for none of it.
            cache: What earlier calls left; it grows by these positions.
        """
        hidden_BTE = self.model.decoder(token_BT, keys, cache)
        if cache is not None:
            cache.length += token_BT.shape[1]
        # Read while the root runs: FSDP2 has gathered the root's own weights then, this one among them.
        output: Tensor = self.head(hidden_BTE, self.model.decoder.embed_tokens.weight, target_BT)
        return output
