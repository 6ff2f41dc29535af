"""Mask and score losses of a batch of prompts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FOCAL = 2.0
"""Weight of the focal loss beside that of Dice. Segment Anything's 20 asks for probabilities, and where the place of
a structure is uncertain none reaches one half: nothing is drawn. Dice asks for the most probable overlap."""


def mask_losses(logits: Tensor, target: Tensor) -> Tensor:
    """Focal and Dice loss of every candidate: logits (P, M, h, w), target (P, h, w) in {0, 1} -> (P, M).

    The focal exponent 2 is that of Segment Anything (Kirillov et al. 2023, appendix A).
    """
    target = target[:, None].to(logits.dtype).expand_as(logits)
    probability = logits.sigmoid()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    miss = probability + target - 2 * probability * target
    focal = (cross_entropy * miss * miss).mean((-1, -2))
    overlap = (probability * target).sum((-1, -2))
    dice = 1 - (2 * overlap + 1) / (probability.sum((-1, -2)) + target.sum((-1, -2)) + 1)
    return FOCAL * focal + dice


def true_iou(logits: Tensor, target: Tensor) -> Tensor:
    """Intersection over union of thresholded candidates (P, M, h, w) and target (P, h, w) -> (P, M).

    An absent structure has IoU 0 whatever was drawn, so that the score learns to say "not here".
    """
    drawn, wanted = logits > 0, target[:, None] > 0.5
    both = (drawn & wanted).sum((-1, -2)).float()
    return both / (drawn | wanted).sum((-1, -2)).clamp(min=1).float()


def prompt_loss(logits: Tensor, scores: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean loss of a decoder round, and the index (P,) of the best candidate of each prompt.

    Only the best candidate is pulled to the target (others by a tenth, so that none dies); every score
    is fitted to its candidate's true IoU.
    """
    logits = logits.float()
    losses = mask_losses(logits, target)
    best = losses.argmin(1)
    chosen = losses.gather(1, best[:, None])[:, 0]
    score_loss = (scores.float() - true_iou(logits.detach(), target)).square().mean(1)
    total = 0.9 * chosen + 0.1 * losses.mean(1) + score_loss
    return (total * weight).sum() / weight.sum().clamp(min=1), best


def best_candidate(masks: Tensor, scores: Tensor) -> Tensor:
    """The candidate (P, h, w) of masks (P, 4, h, w) that inference would choose, without gradient."""
    index = scores[:, 1:].argmax(1) + 1
    return masks.detach()[torch.arange(len(masks), device=masks.device), index].float()


def batch_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Dice (P,) of thresholded logits (P, h, w)."""
    drawn, wanted = logits > 0, target > 0.5
    both = 2 * (drawn & wanted).sum((-1, -2)).float()
    return both / (drawn.sum((-1, -2)) + wanted.sum((-1, -2))).clamp(min=1)


def centred_errors(error: Tensor, width: int = 11) -> Tensor:
    """How deep each wrong pixel lies in its error region: (P, h, w) in [0, 1], zero where right."""
    error = error.float()
    return F.avg_pool2d(error[:, None], width, 1, width // 2)[:, 0] * error


def clicks_from_error(
    logits: Tensor, target: Tensor, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw ``count`` corrective clicks a prompt, mostly near the middle of what is wrong.

    logits and target (P, h, w) -> points (P, count, 2) as (x, y) pixels and labels (P, count): 1 where the
    structure was missed, 0 where too much was drawn. A faultless mask is confirmed by a click inside it.
    """
    # Luck is drawn on the CPU, the same whatever the device.
    device, logits, target = logits.device, logits.cpu(), target.cpu()
    wanted = target > 0.5
    weight = centred_errors((logits > 0) != wanted).square()
    flat = weight.flatten(1)
    nothing = flat.sum(1) <= 0
    if nothing.any():
        inside = centred_errors(wanted[nothing]).flatten(1) + 1e-6
        flat = flat.index_put((nothing.nonzero()[:, 0],), inside.to(flat.dtype))
    flat = flat + 1e-12
    index = torch.multinomial(flat, count, replacement=True, generator=generator)
    width = target.shape[-1]
    points = torch.stack([index % width, index // width], -1).float()
    return points.to(device), wanted.flatten(1).gather(1, index).long().to(device)
