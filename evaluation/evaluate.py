"""One evaluation, from what is asked to what a person reads: results, table and page."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from corpus import storage
from corpus.encoders import best_encoder, choose_encoder
from corpus.errors import RecipeError, RunError
from corpus.mapped_corpus import MappedCorpus
from evaluation import continuation, perplexity
from evaluation.chunks import CHUNK_TOKENS
from evaluation.options import Questions
from evaluation.perplexity import Window, WindowSample
from evaluation.progress import Progress
from evaluation.prompts import Prompter
from evaluation.sample_log import SampleLog
from evaluation.scorer import Scorer
from evaluation.scoring import Evaluator
from training.saved_model import SavedModel, open_model
from training.world import World

EVALUATOR_VERSION = 1  # of what decides a score: raise it when the same model and data come to another
