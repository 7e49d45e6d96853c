"""How many floating-point operations a training takes, by three conventions that people compare as though one.

- model FLOPs: every product that the loss and its gradient need, attention and head included, nothing twice; MFU
  is this over time and peak.
- hardware FLOPs: those that are run, so with activation checkpointing the layers' forward pass again: for HFU.
- 6ND: six times parameters times tokens, no attention; the rule of thumb of scaling laws.

Source: Narayanan et al., arXiv 2104.04473, appendix; Chowdhery et al., arXiv 2204.02311, appendix B.
"""

from __future__ import annotations

from typing import Final

from training.config import ModelShape

# Dense peak of half-precision matrix products, FLOP/s, as data sheets give it, without sparsity.
# Source: NVIDIA's data sheets of V100 SXM2, A100, H100 SXM and H200.
PEAKS: Final = {"V100": 125e12, "A100": 312e12, "H100": 989e12, "H200": 989e12}


def model_flops(shape: ModelShape, tokens: int, sequence: int) -> int:
    """Model FLOPs of training on so many tokens, in sequences of this length.

    Attention is counted over all pairs of positions, as in both sources, masked or not.
    """
    return 3 * tokens * (_layers(shape, sequence) + _head(shape))


def hardware_flops(shape: ModelShape, tokens: int, sequence: int, recompute: bool) -> int:
    """Hardware FLOPs of the same; with `recompute` every layer runs forward twice."""
    return tokens * ((4 if recompute else 3) * _layers(shape, sequence) + 3 * _head(shape))


def flops_6nd(shape: ModelShape, tokens: int) -> int:
    """6ND: for comparisons with papers that count so."""
    return 6 * shape.parameters * tokens


def _layers(shape: ModelShape, sequence: int) -> int:
    """Forward FLOPs of all layers, a token."""
    d, f = shape.width, shape.feed_forward
    return shape.layers * (8 * d * d + 4 * d * f + 4 * sequence * d)


def _head(shape: ModelShape) -> int:
    """Forward FLOPs from the residual stream to the logits, a token; the 350M's projections with them."""
    narrow = shape.embedding_width or shape.width
    return 2 * narrow * shape.vocabulary + 4 * shape.width * shape.embedding_width


def peak_flops(device: str) -> float | None:
    """The peak of a device by its name ("NVIDIA H200"), FLOP/s; None where nobody told us."""
    return next((peak for name, peak in PEAKS.items() if name in device), None)
