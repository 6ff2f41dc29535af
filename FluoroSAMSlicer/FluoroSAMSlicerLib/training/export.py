"""From a training state to a model folder that :func:`load_model` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..dataset import DatasetError
from ..model import FluoroSAM, FluoroSAMConfig, Provenance, save_model
from ..model.tokens import CompactTokenizer
from .fine_tune import between
from .state import STATE


def export(
    run: Path | str,
    folder: Path | str,
    provenance: Provenance,
    config: FluoroSAMConfig | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write the averaged weights of the training in ``run`` (its ``state.pt`` and ``tokenizer.json``) as the
    half-precision model ``folder``. ``config`` is the compact one unless given. With the weights ``start`` that
    the training began with, the result lies :func:`between` them and its own.

    Raises :class:`DatasetError` for a folder without a training, :class:`ModelError` when writing fails.
    """
    run, config = Path(run), config or FluoroSAMConfig.compact()
    try:
        state = torch.load(run / STATE, weights_only=True, mmap=True)
    except (OSError, RuntimeError) as error:
        raise DatasetError(f"{run}: holds no training state; train there first ({error})") from error
    network = FluoroSAM(config)
    network.load_state_dict(between(start, state["average"]) if start else state["average"])
    tokenizer = CompactTokenizer.read(run / "tokenizer.json", config.text.context)
    return save_model(network.eval(), folder, provenance, tokenizer)
