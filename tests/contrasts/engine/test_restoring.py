"""Patching against plain whole passes with a hook, one pair and place at a time; what must restore everything does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from layerscope.contrasts.engine.pair_batches import make_batches
from layerscope.contrasts.engine.restoring import Patch, measure_patches
from layerscope.models.decoder import Decoder
from layerscope.models.sites import SiteMap, first_of
from layerscope.pairs.positions import PlacedPair
from tests.tiny_models import N_LAYERS, build_tiny

FAMILIES = ["llama", "gpt2", "gpt_neox", "gemma2", "mixtral", "falcon", "qwen3_next"]
WIDTH = 32
ALL = np.arange(WIDTH)


def pairs_of(seed: int, n_pairs: int = 6) -> list[PlacedPair]:
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(n_pairs):
        before, after = int(generator.integers(2, 6)), int(generator.integers(2, 6))
        start, rest = generator.integers(3, 90, size=before), generator.integers(3, 90, size=after)
        edits = generator.permutation(np.arange(3, 90))[:2]
        sides = [np.concatenate([start, [edit], rest]) for edit in edits]
        last = len(sides[0]) - 1
        found.append(PlacedPair((sides[0], sides[1]), before, (before + 1, before + 1), (last, last)))
    return found


def naive(decoder: Decoder, pair: PlacedPair, patch: Patch | None, right: int) -> float:
    """−ln p of what follows the wrong side's edit, in one whole pass."""
    sides = [torch.from_numpy(pair.ids[side])[None] for side in (right - 1, 2 - right)]
    states: list[torch.Tensor] = []
    handles = []
    if patch is not None:
        place = pair.at(patch.position)
        assert place is not None
        layer = decoder.layers[patch.layer]
        handle = layer.register_forward_hook(lambda _, __, out: states.append(first_of(out).clone()))
        decoder.logits(sides[0])
        handle.remove()

        def write(_, __, out):
            hidden = first_of(out).clone()
            hidden[0, place[0], patch.dims] = states[0][0, place[0], patch.dims]
            return (hidden, *out[1:]) if isinstance(out, tuple) else hidden

        handles.append(layer.register_forward_hook(write))
    log_p = decoder.logits(sides[1])[0].double().log_softmax(dim=-1)
    for handle in handles:
        handle.remove()
    after, last = pair.after[0], pair.last[0]
    places = torch.arange(after - 1, last)
    return float(-log_p[places, sides[1][0, places + 1]].sum())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("budget", [12, 400])
def test_a_patch_is_a_whole_pass_with_a_hook(family: str, budget: int) -> None:
    decoder = Decoder(build_tiny(family), family)
    sites, pairs = SiteMap(decoder, ("resid_post",)), pairs_of(1)
    right = np.array([1, 2, 2, 1, 2, 1])
    some = np.array([30, 3, 17])
    patches = [
        Patch(0, "edit", ALL),
        Patch(2, "edit+1", some),
        Patch(N_LAYERS - 1, "last", ALL),
        Patch(1, "edit+2", np.setdiff1d(ALL, some)),
    ]
    batches = make_batches(pairs, budget, share=family != "qwen3_next")
    told: list[int] = []
    found = measure_patches(sites, batches, patches, right, advance=told.append)
    assert sum(told) == len(batches) * len(patches)
    for number, pair in enumerate(pairs):
        one, other = int(right[number]), 3 - int(right[number])
        assert found.wrong_nats[number] == pytest.approx(naive(decoder, pair, None, one), rel=1e-4)
        assert found.right_nats[number] == pytest.approx(naive(decoder, pair, None, other), rel=1e-4)
        for index, patch in enumerate(patches):
            if pair.at(patch.position) is None:
                assert np.isnan(found.patched_nats[index, number])
            else:
                assert found.patched_nats[index, number] == pytest.approx(naive(decoder, pair, patch, one), rel=1e-4)


def test_a_patch_of_all_that_the_last_layer_predicts_the_rest_from_is_the_right_side() -> None:
    """With one token after the edit, what follows is predicted from the edit alone."""
    decoder = Decoder(build_tiny("llama"), "llama")
    ids = np.array([5, 6, 7, 8, 9])
    other = ids.copy()
    other[3] = 40
    pairs = [PlacedPair((ids, other), 3, (4, 4), (4, 4))]
    found = measure_patches(
        SiteMap(decoder, ("resid_post",)),
        make_batches(pairs, 100),
        [Patch(N_LAYERS - 1, "edit", ALL), Patch(N_LAYERS - 1, "edit", np.zeros(1, dtype=np.int64)), Patch(0, "edit+1", ALL)],
        np.array([1]),
    )
    assert found.patched_nats[0] == pytest.approx(found.right_nats, rel=1e-5)
    assert found.patched_nats[1] != pytest.approx(found.right_nats, rel=1e-5)
    # after the edit+1 token nothing is predicted
    assert found.patched_nats[2] == pytest.approx(found.wrong_nats, rel=1e-5)
