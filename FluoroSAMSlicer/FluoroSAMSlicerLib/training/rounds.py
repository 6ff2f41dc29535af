"""What a step of training asks: names all at once, then boxes and clicks that mend what they, or mistakes, drew."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..model import FluoroSAM
from .losses import batch_dice, best_candidate, clicks_from_error, mask_losses, prompt_loss, true_iou

ABSENCE = 3.0
"""Weight of the loss over names that are not there."""

SCORE = 1.0

WRONG = 0.3
"""Share of prompts that begin with a mask made wrong on purpose; as many again of `NOTHING` begin without one."""

NOTHING = 0.2

ALONE = 0.7
"""Share of the prompts without a name that are without a mask so far, too."""

NO_MASK = -8.0
"""Logit of a mask that holds nothing."""

LOOSE = 0.2
"""By how much of its side a box may miss the structure at each edge."""


@dataclass(frozen=True)
class Asked:
    """Prompts of a step: of which image (P,), which name's code (P, C), what is right (P, h, w), the mask so far."""

    images: Tensor
    codes: Tensor
    targets: Tensor
    before: Tensor


def name_loss(logits: Tensor, scores: Tensor, covered: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of masks by name, and Dice (B, N) of what is there, NaN elsewhere.

    logits (B, N, h, w), scores (B, N), covered (B, N, h, w) in [0, 1], asked bool (B, N). A structure counts as there
    from the area of one cell on; smaller ones are not learned from.
    """
    area = covered.sum((-1, -2))
    there, absent = asked & (area >= 1), asked & (area <= 0)
    loss = logits.sum() * 0
    dice = torch.full_like(area, float("nan"))
    if absent.any():
        loss = loss + ABSENCE * F.softplus(logits[absent]).mean() + SCORE * scores[absent].square().mean()
    if there.any():
        drawn, wanted = logits[there], covered[there]
        loss = loss + mask_losses(drawn[:, None], wanted).mean()
        iou = true_iou(drawn.detach()[:, None], wanted)[:, 0]
        loss = loss + SCORE * (scores[there] - iou).square().mean()
        dice[there] = batch_dice(drawn.detach(), wanted)
    return loss, dice


def choose_prompts(
    covered: Tensor, asked: Tensor, codes: Tensor, logits: Tensor, count: int, generator: torch.Generator
) -> Asked | None:
    """``count`` prompts an image about names that are there, with the masks that they begin with.

    None where no image shows anything large enough.
    """
    there = asked & (covered.sum((-1, -2)) >= 3)
    weight = there.float()
    images = (weight.sum(1) > 0).nonzero()[:, 0]
    if not len(images):
        return None
    drawn = torch.multinomial(weight[images].cpu(), count, replacement=True, generator=generator).to(
        images.device
    )
    image = images.repeat_interleave(count)
    name = drawn.flatten()
    targets = (covered[image, name] >= 0.5).float()
    kept = targets.flatten(1).any(1)
    image, name, targets = image[kept], name[kept], targets[kept]
    if not len(image):
        return None
    before = logits.detach()[image, name].float()
    others = covered[image, drawn.roll(1, 1).flatten()[kept]]
    luck = torch.rand(len(image), generator=generator).to(image.device)[:, None, None]
    before = torch.where(luck < WRONG, wrong_masks(targets, others, generator), before)
    before = torch.where(luck > 1 - NOTHING, torch.full_like(before, NO_MASK), before)
    return Asked(image, codes[image, name], targets, before)


def wrong_masks(targets: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Logits (P, h, w) of mistakes: shifted, another structure, mirrored, one half, far too large, too small."""
    count, height, width = targets.shape
    down, across = torch.randint(-height // 5, height // 5 + 1, (2,), generator=generator).tolist()
    rows, columns = torch.arange(height, device=targets.device), torch.arange(width, device=targets.device)
    area = targets.sum((-1, -2)).clamp(min=1)
    middle_row = (targets.sum(2) * rows).sum(1) / area
    middle_column = (targets.sum(1) * columns).sum(1) / area
    kinds = torch.stack(
        [
            targets.roll((down, across), (1, 2)),
            others,
            targets.flip(2),
            targets * (rows[None, :, None] < middle_row[:, None, None]),
            targets * (columns[None, None] > middle_column[:, None, None]),
            F.max_pool2d(targets[:, None], 9, 1, 4)[:, 0],
            1 - F.max_pool2d(1 - targets[:, None], 3, 1, 1)[:, 0],
        ]
    )
    kind = torch.randint(len(kinds), (count,), generator=generator).to(targets.device)
    chosen = kinds[kind, torch.arange(count, device=targets.device)]
    sure = (1 + 5 * torch.rand(count, 1, 1, generator=generator)).to(targets.device)
    return (F.avg_pool2d(chosen[:, None], 3, 1, 1)[:, 0] * 2 - 1) * sure


def loose_boxes(targets: Tensor, scale: float, generator: torch.Generator) -> Tensor:
    """Boxes (P, 4) around masks (P, h, w), x1, y1, x2, y2 in pixels of the input, tight or off by `LOOSE`."""
    sides = []
    for axis in (1, 2):
        seen = (targets > 0.5).any(axis).float()
        length = seen.shape[1]
        first = seen.argmax(1)
        last = length - 1 - seen.flip(1).argmax(1)
        sides.append((first.float(), last.float()))
    (left, right), (top, bottom) = sides
    box = torch.stack([left, top, right + 1, bottom + 1], 1)
    size = torch.stack([right - left, bottom - top] * 2, 1) + 1
    off = (torch.rand(len(box), 4, generator=generator) * 2 - 1).to(box.device)
    loose = (torch.rand(len(box), 1, generator=generator) * LOOSE).to(box.device)
    return (box + off * loose * size) * scale - 0.5


def click_rounds(
    network: FluoroSAM, features, asked: Asked, more: int, generator: torch.Generator
) -> tuple[Tensor, dict[str, float]]:
    """Loss of a first click or box on the masks so far and of ``more`` rounds after it, and the Dice of each."""
    draw = torch.rand(4, generator=generator).tolist()
    with_box = draw[1] < 0.45
    with_name = draw[0] < (0.6 if with_box else 0.8)
    # A box or a click that comes alone comes without a mask, as it does from who draws it.
    alone = not with_name and draw[3] < ALONE
    # A start mask and a name, without click or box, are a prompt too.
    with_click = draw[2] < 0.4 if with_box else draw[2] < 0.9 or not with_name
    features = features.chosen(asked.images)
    scale = network.config.image_size / asked.targets.shape[-1]
    boxes = loose_boxes(asked.targets, scale, generator) if with_box else None
    points = torch.zeros(len(asked.targets), 0, 2, device=asked.targets.device)
    labels = torch.zeros(len(asked.targets), 0, device=asked.targets.device)
    logits = torch.full_like(asked.before, NO_MASK) if alone else asked.before
    losses, figures = [], {}
    figures["before"] = float(batch_dice(logits, asked.targets).mean())
    for number in range(1 + more):
        if number or with_click:
            new = (
                first_clicks(logits, asked.targets, generator)
                if number == 0
                else clicks_from_error(logits, asked.targets, 1, generator)
            )
            points = torch.cat([points, (new[0] + 0.5) * scale - 0.5], 1)
            labels = torch.cat([labels, new[1].float()], 1)
        prompt = {"boxes": boxes, "masks": None if alone and number == 0 else logits[:, None]}
        if points.shape[1]:
            prompt |= {"points": points, "labels": labels}
        sparse, dense = network.encode_prompts(text=asked.codes if with_name else None, **prompt)
        masks, scores = network.decode(features, sparse, dense)
        ones = torch.ones(len(asked.targets), device=masks.device)
        loss, _ = prompt_loss(masks[:, 1:], scores[:, 1:], asked.targets, ones)
        losses.append(loss)
        logits = best_candidate(masks, scores)
        kind = "box" if with_box and not points.shape[1] else f"round{number + 1}"
        figures[kind] = float(batch_dice(logits, asked.targets).mean())
    return sum(losses) / len(losses), figures


def first_clicks(logits: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One click on each mask, in half of them of the sign that is luck's, where there is such an error."""
    drawn, wanted = logits > 0, targets > 0.5
    positive = (torch.rand(len(logits), generator=generator) < 0.5).to(logits.device)[:, None, None]
    either = (torch.rand(len(logits), generator=generator) < 0.5).to(logits.device)[:, None, None]
    error = torch.where(positive, wanted & ~drawn, drawn & ~wanted)
    usable = error.flatten(1).any(1)[:, None, None] & either
    seen = torch.where(usable, torch.where(error, 2 * (~wanted).float() - 1, 2 * wanted.float() - 1), logits)
    return clicks_from_error(seen, targets, 1, generator)
