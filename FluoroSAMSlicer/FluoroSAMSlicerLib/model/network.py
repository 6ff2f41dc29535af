"""The FluoroSAM network: one class for the published and the compact model."""

from __future__ import annotations

from torch import Tensor, nn

from .click_decoder import ClickDecoder, MapPrompts
from .config import FluoroSAMConfig
from .image_encoder import ImageEncoder
from .mask_decoder import MaskDecoder
from .name_decoder import NameDecoder
from .prompt_encoder import PromptEncoder
from .pyramid import PyramidEncoder, PyramidFeatures
from .text import TextCode, TextEncoder


class FluoroSAM(nn.Module):
    """Text- and point-prompted segmentation of X-ray images (Killeen et al. 2024, arXiv:2403.08059).

    S is the input side, E the embedding side, C the width and L the text context of ``config``. Prompt
    coordinates are (x, y) pixels of the S x S input frame, pixel centres at integers.
    """

    def __init__(self, config: FluoroSAMConfig) -> None:
        super().__init__()
        self.config = config
        pyramid = config.names_in_one_pass
        self.image = PyramidEncoder(config) if pyramid else ImageEncoder(config)
        self.text = TextEncoder(config)
        self.prompts = MapPrompts(config) if pyramid else PromptEncoder(config)
        self.masks = ClickDecoder(config) if pyramid else MaskDecoder(config)
        if pyramid:
            self.names = NameDecoder(config)
        self.train()

    def train(self, mode: bool = True) -> FluoroSAM:
        """Training or evaluation mode, each with the attention that is fastest in it.

        Fused attention has no gradient for Swin's position bias, and torch then takes a path slower than the
        plain products.
        """
        if not self.config.names_in_one_pass:
            self.image.backbone.config._attn_implementation = "eager" if mode else "sdpa"
        return super().train(mode)

    def encode_image(self, pixel_values: Tensor) -> Tensor | PyramidFeatures:
        """Normalised pixel values (B, 3, S, S) to image embeddings (B, C, E, E), with fine maps where there are."""
        return self.image(pixel_values)

    def decode_names(self, features: PyramidFeatures, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Features of B images and codes (B, N, C) of names to logits (B, N, 8E, 8E) and scores (B, N), float32.

        4E wide while training. Only for a configuration with ``names_in_one_pass``.
        """
        return self.names(features, codes)

    def encode_text(self, input_ids: Tensor) -> TextCode:
        """Token ids (B, at most L), each row with its end-of-text id, to the text prompt's code."""
        return self.text(input_ids)

    def encode_prompts(
        self,
        text: Tensor | None = None,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """B prompts to tokens ``sparse`` (B, T, C) and ``dense`` (B, C, E, E).

        ``text`` (B, C) is :attr:`TextCode.code`; ``points`` (B, N, 2) with ``labels`` (B, N): 1 inside,
        0 outside, -1 padding; ``boxes`` (B, 4) as x1, y1, x2, y2; ``masks`` (B, 1, 4E, 4E) logits (see
        :func:`as_mask_prompt`). T is 1 for text, N for points plus 1 if there is no box, 2 for a box; it may
        be 0. Raises :class:`ModelError` for shapes that do not fit.
        """
        return self.prompts(text, points, labels, boxes, masks)

    def decode(
        self, image_embedding: Tensor | PyramidFeatures, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Image embeddings (1 or B of them) and B prompts to logits (B, 4, 8E, 8E) and scores (B, 4), float32.

        One embedding serves all prompts; B embeddings are taken prompt by prompt. Mask 0 is the single-mask
        answer, 1 to 3 are the alternatives that inference chooses from by score (a predicted IoU, unbounded).
        """
        return self.masks(image_embedding, self.prompts.grid(), sparse, dense)

    def parameter_counts(self) -> dict[str, int]:
        """Parameters by part: image, text, prompts, masks."""
        return {name: sum(p.numel() for p in part.parameters()) for name, part in self.named_children()}
