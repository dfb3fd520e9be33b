"""Streaming against plain loading on every kind of checkpoint that plain loading takes: the same logits to the bit, or refused.

Plain loading is the oracle. A kind of checkpoint is a function that changes a saved folder, or its dtypes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig

from layerscope.errors import LayerscopeError, ModelError
from layerscope.models import resident_part, streaming
from layerscope.models.loading import LoadOptions, load_streamed, load_weights
from layerscope.models.sources import resolve_model
from tests.tiny_models import build_tiny, tiny_token_ids

Weights = dict[str, Tensor]
FAMILIES = [
    "llama-untied", "gpt2", "gemma2", "opt-350m", "gpt_neo", "mixtral", "deepseek_v3", "gpt_oss", "jamba", "nemotron_h",
    "mamba", "recurrent_gemma",
]  # fmt: skip
"""Each puts its weights together in its own way: tied, merged, split, kept in float32, in layers of several kinds."""


@dataclass(frozen=True)
class Outcome:
    """What a way of loading came to."""

    logits: Tensor | None
    refusal: str | None


def outcome(load: Callable, folder: Path, **options: str) -> Outcome:
    try:
        source = resolve_model(str(folder))
        decoder = load(source, AutoConfig.from_pretrained(folder), None, LoadOptions(**options))
        return Outcome(decoder.logits(tiny_token_ids()), None)
    except LayerscopeError as error:
        return Outcome(None, str(error))


def check_same(folder: Path, **options: str) -> Outcome:
    """Both give the same logits, or both refuse; returns what plain loading came to."""
    plain, streamed = outcome(load_weights, folder, **options), outcome(load_streamed, folder, **options)
    if plain.logits is None:
        assert streamed.logits is None, f"plain loading refuses ({plain.refusal}) and streaming does not"
    else:
        assert streamed.logits is not None, streamed.refusal
        assert streamed.logits.dtype == plain.logits.dtype
        assert torch.equal(streamed.logits, plain.logits)
    return plain


def save(folder: Path, family: str, dtype: torch.dtype = torch.float32, **how: str) -> Path:
    build_tiny(family).to(dtype).save_pretrained(folder, **how)
    return folder


def rewritten(folder: Path, change: Callable[[Weights], Weights], *, file: str = "model.safetensors") -> Path:
    """The weights of a file as a function leaves them."""
    save_file(
        {name: tensor.contiguous().clone() for name, tensor in change(load_file(folder / file)).items()},
        folder / file,
        metadata={"format": "pt"},
    )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_in_shards_and_in_another_dtype(tmp_path: Path, family: str) -> None:
    """Float16 is what some families keep a part of their weights out of; test_streaming.py takes them as they are stored."""
    assert check_same(save(tmp_path, family, torch.bfloat16, max_shard_size="15KB"), dtype="float16").logits is not None


@pytest.mark.parametrize(
    ("stored", "asked"), [("float16", "auto"), ("float16", "float32"), ("bfloat16", "float32"), ("float32", "bfloat16")]
)
def test_every_dtype_in_another(tmp_path: Path, stored: str, asked: str) -> None:
    assert check_same(save(tmp_path, "qwen3_moe", getattr(torch, stored)), dtype=asked).logits is not None


def test_one_token_alone_is_the_same(tmp_path: Path) -> None:
    """The product of a matrix and one vector is rounded by how the matrix is aligned in memory."""
    save(tmp_path, "llama-untied", max_shard_size="20KB")
    source, config = resolve_model(str(tmp_path)), AutoConfig.from_pretrained(tmp_path)
    plain, streamed = (load(source, config, None, LoadOptions()) for load in (load_weights, load_streamed))
    for token in range(3, 60):
        ids = torch.tensor([[token]])
        assert torch.equal(plain.logits(ids), streamed.logits(ids))


def _doubled(weights: Weights) -> Weights:
    return {name: 2.0 * tensor for name, tensor in weights.items()}


def _stray_file(folder: Path) -> None:
    save_file(_doubled(load_file(folder / "model.safetensors")), folder / "model_ema.safetensors", metadata={"format": "pt"})
    save_file(_doubled(load_file(folder / "model.safetensors")), folder / "a.safetensors", metadata={"format": "pt"})


def _variant(folder: Path) -> None:
    save_file(_doubled(load_file(folder / "model.safetensors")), folder / "model.fp16.safetensors", metadata={"format": "pt"})


def _stale_index(folder: Path) -> None:
    """model.safetensors counts, though an index lies beside it that names another file."""
    weights = load_file(folder / "model.safetensors")
    save_file(_doubled(weights), folder / "model-00001-of-00001.safetensors", metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, "model-00001-of-00001.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def _tied_with_a_matrix_of_its_own(folder: Path) -> None:
    generator = torch.Generator().manual_seed(5)
    rewritten(
        folder,
        lambda weights: {
            **weights,
            "lm_head.weight": 0.1 * torch.randn(weights["model.embed_tokens.weight"].shape, generator=generator),
        },
    )


def _tied_with_the_same_matrix(folder: Path) -> None:
    rewritten(folder, lambda weights: {**weights, "lm_head.weight": weights["model.embed_tokens.weight"]})


def _tied_with_the_output_matrix_only(folder: Path) -> None:
    rewritten(
        folder,
        lambda weights: {name.replace("model.embed_tokens", "lm_head"): tensor for name, tensor in weights.items()},
    )


def _no_prefix(folder: Path) -> None:
    rewritten(folder, lambda weights: {name.removeprefix("model."): tensor for name, tensor in weights.items()})


def _surplus(folder: Path) -> None:
    extra = {
        "model.layers.1.extra.weight": torch.ones(3),
        "model.layers.9.mlp.up_proj.weight": torch.ones(3),
        "x": torch.ones(1),
    }
    rewritten(folder, lambda weights: {**weights, **extra})


def _old_rotary_buffers(folder: Path) -> None:
    extra = {f"model.layers.{layer}.self_attn.rotary_emb.inv_freq": torch.full((4,), 9.0) for layer in range(4)}
    rewritten(folder, lambda weights: {**weights, **extra, "model.rotary_emb.inv_freq": torch.full((4,), 9.0)})


def _missing(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        rewritten(folder, lambda weights: {key: tensor for key, tensor in weights.items() if key != name})

    return change


def _misshapen(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        rewritten(folder, lambda weights: {**weights, name: weights[name][:-1]})

    return change


ACCEPTED = {
    "stray file": _stray_file,
    "variant": _variant,
    "stale index": _stale_index,
    "tied, own matrix": _tied_with_a_matrix_of_its_own,
    "tied, same matrix": _tied_with_the_same_matrix,
    "tied, output matrix only": _tied_with_the_output_matrix_only,
    "no prefix": _no_prefix,
    "surplus": _surplus,
    "old rotary buffers": _old_rotary_buffers,
}
REFUSED = {
    "missing in the first layer": _missing("model.layers.0.input_layernorm.weight"),
    "missing in the last layer": _missing("model.layers.3.mlp.down_proj.weight"),
    "missing norm": _missing("model.norm.weight"),
    "missing embedding": _missing("model.embed_tokens.weight"),
    "misshapen in the first layer": _misshapen("model.layers.0.mlp.down_proj.weight"),
    "misshapen in the last layer": _misshapen("model.layers.3.self_attn.o_proj.weight"),
    "misshapen embedding": _misshapen("model.embed_tokens.weight"),
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_kinds_of_checkpoint_that_both_take(tmp_path: Path, kind: str) -> None:
    ACCEPTED[kind](save(tmp_path, "llama"))
    assert check_same(tmp_path).logits is not None


def test_a_tied_configuration_with_a_matrix_of_its_own_is_another_model(tmp_path: Path) -> None:
    """So that the kinds above are told apart by their logits at all."""
    before = outcome(load_streamed, save(tmp_path, "llama")).logits
    _tied_with_a_matrix_of_its_own(tmp_path)
    after = outcome(load_streamed, tmp_path).logits
    assert before is not None
    assert after is not None
    assert not torch.equal(before, after)


@pytest.mark.parametrize("kind", REFUSED)
def test_kinds_of_checkpoint_that_both_refuse(tmp_path: Path, kind: str) -> None:
    REFUSED[kind](save(tmp_path, "llama"))
    assert check_same(tmp_path).refusal is not None


def test_a_misshapen_weight_of_a_late_layer_is_named(tmp_path: Path) -> None:
    REFUSED["misshapen in the last layer"](save(tmp_path, "llama"))
    with pytest.raises(ModelError, match=r"layers\.3\.self_attn\.o_proj\.weight has \(31, 32\) .* has \(32, 32\)"):
        load_streamed(resolve_model(str(tmp_path)), AutoConfig.from_pretrained(tmp_path), None, LoadOptions())


def _sharded(folder: Path) -> tuple[Path, dict]:
    save(folder, "mixtral", max_shard_size="40KB")
    index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
    assert len(set(index["weight_map"].values())) > 3
    return folder, index


def test_only_the_files_that_an_index_names_are_read(tmp_path: Path) -> None:
    folder, index = _sharded(tmp_path)
    first = folder / sorted(set(index["weight_map"].values()))[0]
    save_file(_doubled(load_file(first)), folder / "zz.safetensors", metadata={"format": "pt"})
    assert check_same(folder).logits is not None


def test_of_a_weight_in_two_shards_the_same_one_counts(tmp_path: Path) -> None:
    """In the first shard as it should be, in the last one doubled; and the other way round."""
    for number, (kept, doubled) in enumerate([(0, -1), (-1, 0)]):
        folder, index = _sharded(tmp_path / str(number))
        files = sorted(set(index["weight_map"].values()))
        source = load_file(folder / files[kept])
        name = next(name for name in source if "layers" in name)
        rewritten(folder, lambda weights: {**weights, name: 2.0 * source[name]}, file=files[doubled])  # noqa: B023
        assert check_same(folder).logits is not None


def test_a_missing_shard_is_refused_by_both(tmp_path: Path) -> None:
    folder, index = _sharded(tmp_path)
    (folder / sorted(set(index["weight_map"].values()))[-1]).unlink()
    assert check_same(folder).refusal is not None


def test_an_index_that_leaves_a_shard_out_is_refused_by_both(tmp_path: Path) -> None:
    folder, index = _sharded(tmp_path)
    gone = sorted(set(index["weight_map"].values()))[1]
    index["weight_map"] = {name: file for name, file in index["weight_map"].items() if file != gone}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert "lacks" in (check_same(folder).refusal or "")


def test_old_names_of_norms_are_renamed_by_both(tmp_path: Path) -> None:
    """Checkpoints of the first years call a norm's weight gamma and its bias beta."""
    save(tmp_path, "gpt2")
    old = {"ln_1.weight": "ln_1.gamma", "ln_1.bias": "ln_1.beta", "ln_f.weight": "ln_f.gamma"}

    def rename(weights: Weights) -> Weights:
        renamed = {}
        for name, tensor in weights.items():
            for new, former in old.items():
                name = name.replace(new, former)
            renamed[name] = tensor
        return renamed

    rewritten(tmp_path, rename)
    check_same(tmp_path)


def test_a_file_that_the_configuration_names_is_the_one(tmp_path: Path) -> None:
    save(tmp_path, "llama")
    save_file(_doubled(load_file(tmp_path / "model.safetensors")), tmp_path / "other.safetensors", metadata={"format": "pt"})
    settings = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(
        json.dumps({**settings, "transformers_weights": "other.safetensors"}), encoding="utf-8"
    )
    check_same(tmp_path)


@pytest.mark.parametrize("method", ["fp8", "gptq", "awq", "compressed-tensors", "bitsandbytes", "mxfp4"])
def test_quantised_weights_are_refused_by_their_method(tmp_path: Path, method: str) -> None:
    save(tmp_path, "llama")
    config = AutoConfig.from_pretrained(tmp_path)
    config.quantization_config = {"quant_method": method}
    with pytest.raises(ModelError, match=rf"quantised form \({method}\): leave out --stream"):
        load_streamed(resolve_model(str(tmp_path)), config, None, LoadOptions())


def test_a_model_whose_embeddings_grow_with_its_layers_is_refused(tmp_path: Path) -> None:
    """Gemma 4 has an embedding of each token for each layer, which no part of the model can be loaded with."""
    save(tmp_path, "gemma4_text")
    with pytest.raises(ModelError, match=r"first 2 layers of this 'gemma4_text' cannot be loaded alone, .* leave out --stream"):
        load_streamed(resolve_model(str(tmp_path)), AutoConfig.from_pretrained(tmp_path), None, LoadOptions())


def test_layers_with_weights_in_common_are_refused(tmp_path: Path) -> None:
    save(tmp_path, "zamba2")
    with pytest.raises(ModelError, match=r"in 'zamba2' a layer shares weights .* leave out --stream"):
        load_streamed(resolve_model(str(tmp_path)), AutoConfig.from_pretrained(tmp_path), None, LoadOptions())


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("model.layers.1.mlp.up_proj.weight", r"model\.layers\.1\.mlp\.up_proj\.weight is another when it is streamed"),
        ("model.layers.0.self_attn.q_proj.weight", r"layers\.0\.self_attn\.q_proj\.weight is another when it is streamed"),
    ],
)
def test_the_check_at_load_sees_a_streamed_weight_that_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, message: str
) -> None:
    """As if streaming read another file: the fault that the check is there for."""
    save(tmp_path, "llama")
    read = streaming.StreamedLayers._read

    def wrong(self: streaming.StreamedLayers, keys: list[str]) -> Weights:
        return {key: tensor * (1.001 if key == named else 1.0) for key, tensor in read(self, keys).items()}

    monkeypatch.setattr(streaming.StreamedLayers, "_read", wrong)
    with pytest.raises(ModelError, match=message):
        load_streamed(resolve_model(str(tmp_path)), AutoConfig.from_pretrained(tmp_path), None, LoadOptions())


def test_the_check_at_load_sees_an_output_matrix_that_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, "llama-untied")

    def wrong(model: torch.nn.Module, name: str, tensor: Tensor) -> None:
        streaming.place_tensor(model, name, torch.nn.Parameter(1.001 * tensor) if name == "lm_head.weight" else tensor)

    monkeypatch.setattr(resident_part, "place_tensor", wrong)
    with pytest.raises(ModelError, match=r"the logits of its first 2 layers differ by"):
        load_streamed(resolve_model(str(tmp_path)), AutoConfig.from_pretrained(tmp_path), None, LoadOptions())


def test_the_check_sees_each_kind_of_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepSeek's first layer is dense and the second is the first with experts; Qwen's third is the first dense one."""
    seen: list[int] = []
    check = resident_part.ResidentTrace.check
    monkeypatch.setattr(resident_part.ResidentTrace, "check", lambda self, d: (seen.append(self.n_layers), check(self, d))[1])
    for family in ("llama", "deepseek_v3", "qwen3_moe"):
        assert outcome(load_streamed, save(tmp_path / family, family)).refusal is None
    assert seen == [2, 2, 3]
