"""Tuned lenses for tests, in the files in which the package tuned-lens saves them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel

State = dict[str, Tensor]


def random_state(n_layers: int = 4, d_model: int = 32, *, size: float = 0.1, seed: int = 0, bias: bool = True) -> State:
    """Translators far enough from nothing that leaving one out, or taking a neighbour's, shows."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for index in range(n_layers):
        state[f"{index}.weight"] = size * torch.randn(d_model, d_model, generator=generator)
        if bias:
            state[f"{index}.bias"] = size * torch.randn(d_model, generator=generator)
    return state


def hash_of(matrix: Tensor) -> str:
    """As the package hashes: the whole matrix, printed by numpy with one decimal."""
    values = matrix.detach().float().numpy()
    return hashlib.sha256(str.encode(np.array_str(values, precision=1))).hexdigest()


def save_lens(folder: Path, state: Any, *, model: PreTrainedModel | None = None, safe: bool = False, **changes: Any) -> Path:
    """Both files of a lens; ``changes`` are settings of its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "base_model_name_or_path": "made-up/model",
        "d_model": 32,
        "num_hidden_layers": 4,
        "bias": True,
        "base_model_revision": None,
        "unembed_hash": None if model is None else hash_of(model.get_output_embeddings().weight),
        "lens_type": "linear_tuned_lens",
    }
    (folder / "config.json").write_text(json.dumps({**settings, **changes}), encoding="utf-8")
    if safe:
        save_file(state, folder / "params.safetensors")
    else:
        torch.save(state, folder / "params.pt")
    return folder
