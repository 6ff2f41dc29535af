"""A mask from anywhere, drawn by hand or moved along from another frame, as an answer that a model goes on from."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from .embedding import ImageEmbedding
from .prediction import Candidates, Prediction
from .prompt import Prompt

INSIDE_LOGIT = 8.0
"""Logit of the mask's inside; its outside is the negative. A probability of 0.9997."""


def drawn(embedding: ImageEmbedding, mask: np.ndarray) -> Prediction:
    """``mask``, bool of any size that covers the encoded image, in the shape of an earlier answer on it."""
    frame = embedding.frame
    # The decoder's masks are eight times as fine as the embedding.
    side = 8 * embedding.cells
    height = max(1, round(side * frame.input_height / frame.size))
    width = max(1, round(side * frame.input_width / frame.size))
    inside = torch.from_numpy(mask.astype(np.float32))[None, None]
    share = F.interpolate(inside, (height, width), mode="bilinear", align_corners=False, antialias=True)
    low_res = torch.full((1, side, side), -INSIDE_LOGIT)
    low_res[0, :height, :width] = (2 * share[0, 0] - 1) * INSIDE_LOGIT
    candidates = Candidates(low_res, (1.0,), frame)
    return Prediction(Prompt(), None, candidates, 0, embedding.key, embedding.model, embedding.model_version)
