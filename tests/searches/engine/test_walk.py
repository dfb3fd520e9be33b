"""Scores of paths against whole forward passes of rebuilt models, and what kept states must not change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from layerscope.corpora.windows import Window
from layerscope.engine.batching import Shard, make_shards
from layerscope.models.decoder import Decoder
from layerscope.paths.moves import neighbours, parse_moves
from layerscope.paths.path import LayerPath
from layerscope.searches.engine import walk
from layerscope.searches.engine.objective import Objective
from layerscope.searches.engine.walk import PathWalker
from tests.made_up_windows import windows_of
from tests.oracles import has_halves, silenced, surgery_logits
from tests.tiny_models import N_LAYERS, build_tiny

OBJECTIVES: tuple[Objective, ...] = ("nll", "kl")
FAMILIES = [
    *("llama", "mixtral"),
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("gpt2", "gemma3_text", "bamba", "qwen3_next", "falcon", "mamba2", "gemma4_text", "recurrent_gemma")
    ),
]
LENGTHS = [17, 5, 2, 11, 9, 7]
HUGE = 2**40
PATHS = ["0-3", "1-3", "0,2-3", "0-2", "0", "3,1", "0,2,1,3", "1,0,2-3", "0-3,3", "0-1,0-1,2-3", "0-2", "2,2,2"]
HALVES = ["0.mlp,1-3", "0-1,2.attn,3", "0.attn,2.mlp,3", "3.attn,0,1.mlp"]


def parsed(paths: Sequence[str]) -> list[LayerPath]:
    return [LayerPath.parse(path) for path in paths]


def naive_log_probabilities(model: PreTrainedModel, path: LayerPath, ids: torch.Tensor) -> np.ndarray:
    """By a rebuilt model, one text; each layer of a path with halves runs once."""
    for step in path.steps:
        if step.part != "whole":
            model = silenced(model, step.layer, "mlp" if step.part == "attn" else "attn")
    logits = surgery_logits(model, ids[None], [step.layer for step in path.steps])[0, :-1]
    return torch.log_softmax(logits.double(), dim=-1).numpy()


def naive_sums(model: PreTrainedModel, paths: Sequence[LayerPath], windows: Sequence[Window]) -> dict[str, np.ndarray]:
    """Both objectives summed over each window, ``(path, window)``, one whole forward pass a path and window."""
    sums: dict[str, list[list[float]]] = {"nll": [], "kl": []}
    ids = [torch.from_numpy(window.ids.astype(np.int64)) for window in windows]
    intact = [naive_log_probabilities(model, LayerPath.intact(N_LAYERS), some) for some in ids]
    for path in paths:
        found = [naive_log_probabilities(model, path, some) for some in ids]
        sums["nll"].append([-one[np.arange(len(one)), some[1:]].sum() for one, some in zip(found, ids, strict=True)])
        sums["kl"].append([(np.exp(p) * (p - q)).sum() for p, q in zip(intact, found, strict=True)])
    return {name: np.array(values) for name, values in sums.items()}


def scores(walker: PathWalker, paths: Sequence[LayerPath], n_windows: int) -> np.ndarray:
    """``(path, window)`` over all shards."""
    walker.expect(paths)
    found = np.full((len(paths), n_windows), np.nan)
    for number, shard in enumerate(walker.shards):
        found[:, list(shard.documents)] = walker.score(number, paths)
    return found


def steps_of_a_search(n_steps: int = 3, moves: Sequence[str] = ("removal", "exchange")) -> list[list[LayerPath]]:
    """Candidates of several steps, each of the second-best of the step before, and all candidates of the last once more."""
    path, steps = LayerPath.intact(N_LAYERS), []
    for number in range(n_steps):
        found = [one.path for one in neighbours(path, parse_moves(moves), n_layers=N_LAYERS)]
        steps.append(found)
        path = found[(2 * number + 1) % len(found)]
    return [*steps, steps[-1]]


@pytest.fixture(scope="module")
def llama() -> Decoder:
    return Decoder(build_tiny("llama"), "llama")


@pytest.mark.parametrize("family", FAMILIES)
def test_sums_equal_those_of_rebuilt_models(family: str) -> None:
    decoder, windows = Decoder(build_tiny(family), family), windows_of([17, 2, 11, 6])
    paths = parsed([*PATHS, *(HALVES if has_halves(family) else [])])
    expected = naive_sums(build_tiny(family), paths, windows)
    for objective in OBJECTIVES:
        found = scores(PathWalker(decoder, make_shards(windows, 40), objective, kept_bytes=HUGE), paths, len(windows))
        # a divergence near 0 is the difference of two logarithms of their own size in float32
        np.testing.assert_allclose(found, expected[objective], rtol=1e-5, atol=1e-6 * 17 if objective == "kl" else 0.0)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    "family",
    ["llama", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gemma3_text", "granitemoehybrid", "gpt_oss", "rwkv"))],
)
def test_kept_states_change_no_bit(family: str, objective: Objective) -> None:
    """Nothing kept, a few states, every second or third, all of them; one walker through all steps, or a new one each."""
    decoder, windows = Decoder(build_tiny(family), family), windows_of(LENGTHS)
    shards, steps = make_shards(windows, 40), steps_of_a_search()
    expected = [scores(PathWalker(decoder, shards, objective, kept_bytes=0), step, len(windows)) for step in steps]
    runs = {}
    for kept_bytes in (0, 700, 6_000, 60_000, HUGE):
        walker = PathWalker(decoder, shards, objective, kept_bytes=kept_bytes)
        for step, of_step in zip(steps, expected, strict=True):
            np.testing.assert_array_equal(scores(walker, step, len(windows)), of_step)
        runs[kept_bytes] = walker.layer_runs
    assert runs[HUGE] < runs[60_000] <= runs[0]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_company_changes_no_bit(llama: Decoder, objective: Objective, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths scored alone, in any order, twice at once, or in groups of one."""
    windows, paths = windows_of(LENGTHS), parsed([*PATHS[:8], *HALVES[:2]])
    shards = make_shards(windows, 60)
    together = scores(PathWalker(llama, shards, objective, kept_bytes=0), paths, len(windows))
    turned = scores(PathWalker(llama, shards, objective, kept_bytes=HUGE), paths[::-1], len(windows))[::-1]
    np.testing.assert_array_equal(together, turned)
    monkeypatch.setattr(walk, "GROUP_BYTES", 1)
    np.testing.assert_array_equal(together, scores(PathWalker(llama, shards, objective, kept_bytes=0), paths, len(windows)))
    for path, of_path in zip(paths, together, strict=True):
        np.testing.assert_array_equal(
            scores(PathWalker(llama, shards, objective, kept_bytes=0), [path], len(windows))[0], of_path
        )


def held(walker: PathWalker) -> int:
    """Bytes behind the states that a walker keeps, whole storages counted."""
    storages = {
        state.untyped_storage().data_ptr(): state.untyped_storage().nbytes() for kept in walker._kept for state in kept.values()
    }
    return sum(storages.values())


@pytest.mark.parametrize("family", ["llama", "mamba2", "gemma4_text"])
@pytest.mark.parametrize("kept_bytes", [1, 5_000, 20_000, 100_000, HUGE])
def test_memory_stays_within_its_bound_and_states_that_none_needs_are_let_go(family: str, kept_bytes: int) -> None:
    decoder, windows = Decoder(build_tiny(family), family), windows_of(LENGTHS)
    walker = PathWalker(decoder, make_shards(windows, 40), "nll", kept_bytes=kept_bytes)
    for step in [*steps_of_a_search(), parsed(["3,2,1"]), parsed(["none"])]:
        walker.expect(step)
        needed = {node for path in step for node in walker._tree.nodes(path)}
        assert all(kept.keys() <= needed for kept in walker._kept)
        for number in range(len(walker.shards)):
            walker.score(number, step)
            assert held(walker) == walker._held <= kept_bytes
            assert all(kept.keys() <= needed for kept in walker._kept)
    walker.expect([])
    assert walker._held == 0 == held(walker)


def test_what_is_kept_saves_what_it_should(llama: Decoder) -> None:
    """With every state kept, a step runs the prefixes that no walk of the step before has run; without, all of its own."""
    windows = windows_of([9, 9])
    shards, steps = make_shards(windows, 1_000), steps_of_a_search()
    with_all, without = (PathWalker(llama, shards, "nll", kept_bytes=size) for size in (HUGE, 0))
    known: set[tuple[object, ...]] = set()
    for step in steps:
        prefixes = {path.steps[:n] for path in step for n in range(1, len(path) + 1)}
        before = with_all.layer_runs, without.layer_runs
        for walker in (with_all, without):
            scores(walker, step, len(windows))
        known &= prefixes
        at_hand = [max(n for n in range(len(path) + 1) if n == 0 or path.steps[:n] in known) for path in step]
        ran = {path.steps[:n] for path, first in zip(step, at_hand, strict=True) for n in range(first + 1, len(path) + 1)}
        assert with_all.layer_runs - before[0] == len(ran)
        assert without.layer_runs - before[1] == len(prefixes)
        # a state that no path goes on from is scored and not kept
        known |= ran & {path.steps[:n] for path in step for n in range(1, len(path))}
    assert with_all.layer_runs < without.layer_runs


def test_work_is_told_as_it_is_done(llama: Decoder) -> None:
    told: list[int] = []
    shards = make_shards(windows_of(LENGTHS), 40)
    walker = PathWalker(llama, shards, "nll", kept_bytes=0, advance=told.append)
    scores(walker, parsed(["0-3", "0,2-3"]), len(LENGTHS))
    assert walker.layer_runs == len(told) == 6 * len(shards)
    assert sum(told) == 6 * sum(shard.padded_tokens for shard in shards)


@pytest.mark.parametrize("family", ["llama", "gpt2", pytest.param("granitemoehybrid", marks=pytest.mark.slow)])
def test_the_model_is_bit_identical_afterwards_and_never_copied(
    family: str, monkeypatch: pytest.MonkeyPatch, untouched: Callable[[PreTrainedModel], Callable[[], bool]]
) -> None:
    decoder = Decoder(build_tiny(family), family)
    is_untouched = untouched(decoder.model)
    monkeypatch.setattr(torch.nn.Module, "__deepcopy__", None, raising=False)  # whoever copies a module calls None
    windows = windows_of(LENGTHS)
    for objective in OBJECTIVES:
        walker = PathWalker(decoder, make_shards(windows, 40), objective, kept_bytes=20_000)
        for step in [*steps_of_a_search(), parsed(HALVES)]:
            scores(walker, step, len(windows))
    assert is_untouched()


@pytest.fixture
def untouched() -> Callable[[PreTrainedModel], Callable[[], bool]]:
    """Remember a model; then, whether each tensor is the same object with the same bits, and no hook is left."""

    def remember(model: PreTrainedModel) -> Callable[[], bool]:
        tensors = dict([*model.named_parameters(), *model.named_buffers()])
        before = {name: (id(tensor), tensor.data_ptr(), tensor.clone()) for name, tensor in tensors.items()}
        modules = [id(module) for module in model.modules()]

        def check() -> bool:
            now = dict([*model.named_parameters(), *model.named_buffers()])
            return (
                now.keys() == before.keys()
                and all(
                    (id(now[name]), now[name].data_ptr()) == before[name][:2] and torch.equal(now[name], before[name][2])
                    for name in now
                )
                and [id(module) for module in model.modules()] == modules
                and not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
            )

        return check

    return remember


def test_a_path_without_layers_and_paths_given_twice(llama: Decoder) -> None:
    windows = windows_of([9, 4])
    shards: list[Shard] = make_shards(windows, 1_000)
    found = scores(PathWalker(llama, shards, "nll", kept_bytes=HUGE), parsed(["none", "0-2", "none", "0-2"]), 2)
    np.testing.assert_array_equal(found[:2], found[2:])
    np.testing.assert_allclose(found[1], naive_sums(llama.model, parsed(["0-2"]), windows)["nll"][0], rtol=1e-5)
    again = scores(PathWalker(llama, shards, "kl", kept_bytes=0), parsed(["0-3", "none"]), 2)
    assert (again[0] == 0.0).all()
    assert (again[1] > 0.0).all()
