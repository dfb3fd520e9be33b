"""Naive token scores: one text at a time, a whole forward pass a variant on a copy with its layers rearranged, float64 after
the logits. Shares nothing with the engine."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class NaiveScores:
    """Per predicted token: positions 1 to the end of one text."""

    nll: np.ndarray
    top1: np.ndarray
    log_probabilities: np.ndarray


def rearranged(model: nn.Module, order: list[int]) -> nn.Module:
    """A model with its layers in another order, each with the window that it had (Llama, Gemma); the weights are the same."""
    weights = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    changed = copy.deepcopy(model, dict(weights))
    changed.model.layers = nn.ModuleList([copy.deepcopy(model.model.layers[index], dict(weights)) for index in order])
    config = changed.model.config
    config.num_hidden_layers = len(order)
    if getattr(config, "layer_types", None) is not None:
        config.layer_types = [model.model.config.layer_types[index] for index in order]
    return changed


def naive_scores(model: nn.Module, token_ids: list[int]) -> NaiveScores:
    """Score one text with a plain forward pass."""
    with torch.no_grad():
        logits = model(torch.tensor([token_ids]), use_cache=False).logits[0, :-1].double()
    log_probabilities = torch.log_softmax(logits, dim=-1)
    targets = torch.tensor(token_ids[1:])
    nll = -log_probabilities[torch.arange(len(targets)), targets]
    return NaiveScores(nll.numpy(), logits.argmax(dim=-1).numpy(), log_probabilities.numpy())


def naive_kl(intact: NaiveScores, variant: NaiveScores) -> np.ndarray:
    """KL(intact ‖ variant), token by token."""
    return (np.exp(intact.log_probabilities) * (intact.log_probabilities - variant.log_probabilities)).sum(axis=-1)
