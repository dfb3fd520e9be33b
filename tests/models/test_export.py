"""Exported checkpoints, loaded with plain transformers, against naive surgery on a copy; what is refused leaves nothing."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import yaml
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PretrainedConfig, PreTrainedModel

from layerscope.errors import ModelError, PathError, RunError
from layerscope.models.decoder import Decoder
from layerscope.models.export import export_path, modules_of
from layerscope.models.loading import load_decoder
from layerscope.models.silent_weights import find_silent_weights
from layerscope.paths.formats.mergekit import mergekit_recipe
from layerscope.paths.formats.registry import FORMATS, read_paths
from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep
from tests.oracles import layers_of, model_logits, silenced_logits, surgery_logits
from tests.tiny_models import TINY, build_tiny, tiny_token_ids

ORDER = (0, 2, 1, 1)
"""Layer 3 removed, 1 and 2 exchanged, 1 twice."""
TOLERANCE = 1e-5
VISIBLE = 1e-3
"""A change that is meant moves some logit by at least this much."""

EXPORTED = [
    "llama",
    "llama-untied",
    "mistral-sliding",
    "mixtral",
    "qwen2",
    "qwen2-sliding",
    "qwen3",
    "qwen3_moe",
    "qwen3_next",
    "gemma2",
    "gemma3_text",
    "gpt2",
    "gpt_neo",
    "gpt_neox",
    "gptj",
    "opt",
    "falcon",
    "bloom",
    "mpt",
    "phi",
    "phi3",
    "olmo2",
    "cohere2",
    "starcoder2",
    "gpt_oss",
    "smollm3",
    "lfm2",
    "deepseek_v3",
    "llama4_text",
    "bamba",
    "mamba",
    "recurrent_gemma",
    "nemotron_h",
]
HALVES = {
    "llama-untied": ({"self_attn.o_proj"}, {"mlp.down_proj"}),
    "gemma2": ({"self_attn.o_proj"}, {"mlp.down_proj"}),  # a norm stands behind them
    "gpt2": ({"attn.c_proj"}, {"mlp.c_proj"}),
    "opt": ({"self_attn.out_proj"}, {"fc2"}),  # lies in the layer itself
    "falcon": ({"self_attention.dense"}, {"mlp.dense_4h_to_h"}),  # both halves read the same state
    "bloom": ({"self_attention.dense"}, {"mlp.dense_4h_to_h"}),  # in modules that add the residual stream themselves
    "starcoder2": ({"self_attn.o_proj"}, {"mlp.c_proj"}),
    "mixtral": ({"self_attn.o_proj"}, {"mlp.experts.down_proj"}),
    "gpt_oss": ({"self_attn.o_proj"}, {"mlp.experts.down_proj"}),
    "deepseek_v3": ({"self_attn.o_proj"}, {"mlp.experts.down_proj", "mlp.shared_experts.down_proj"}),
    "qwen2_moe": ({"self_attn.o_proj"}, {"mlp.experts.down_proj", "mlp.shared_expert.down_proj"}),
    "falcon_h1": ({"self_attn.o_proj", "mamba.out_proj"}, {"feed_forward.down_proj"}),  # two mixers side by side
}
"""What writes the halves of layer 1, weights and biases: attention or other mixers, MLP or experts."""
REFUSED = {
    "jamba": (ORDER, "that of 'jamba' cannot for the order 0,2,1,1 .no attn_layer_period"),
    "rwkv": ((1, 2, 3), "that of 'rwkv' cannot for '1-3' .rwkv.blocks.0.pre_ln.weight would be of another kind"),
    "afmoe": ((2, 0, 1, 3), "that of 'afmoe' cannot for '2,0-1,3' .model.layers.1.mlp"),
    "gpt2-inverse-layer": (ORDER, "the path's own logits; for '0,2,1,1' of 'gpt2' they differ by"),
    "diffllama": (ORDER, "the path's own logits; for '0,2,1,1' of 'diffllama' they differ by"),
    "gemma4_text": (ORDER, "the layer in place 1 does not get the mask or positions of layer 2"),
    "zamba2": ((0, 1, 2), "that of 'zamba2' cannot for '0-2'"),
}
"""Families whose layers act on their number, or whose kinds the configuration derives from it: an order, and the message."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@functools.cache
def decoder_of(name: str) -> Decoder:
    return Decoder(build_tiny(name), name)


def reload(folder: Path) -> PreTrainedModel:
    model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    return model


def tensors_in(folder: Path) -> dict[str, Tensor]:
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def distance(first: Tensor, second: Tensor) -> float:
    assert first.shape == second.shape
    return float((first - second).abs().max())


def refused(decoder: Decoder, path: str, folder: Path, error: type[Exception], message: str) -> None:
    """The message, and that nothing is left of what was written."""
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(error, match=message):
        export_path(decoder, LayerPath.parse(path), folder=folder)
    assert sorted(folder.parent.rglob("*")) == before


@pytest.mark.parametrize("name", EXPORTED)
def test_a_reloaded_checkpoint_equals_a_rebuilt_model(name: str, tmp_path: Path) -> None:
    decoder = decoder_of(name)
    report = export_path(decoder, LayerPath.from_layers(ORDER), folder=tmp_path / "out")
    expected = surgery_logits(decoder.model, tiny_token_ids(), ORDER)
    model = reload(tmp_path / "out")
    assert distance(model_logits(model, tiny_token_ids()), expected) <= TOLERANCE
    assert distance(model_logits(decoder.model, tiny_token_ids()), expected) > VISIBLE
    assert report.agreement.largest_difference <= TOLERANCE
    assert report.agreement.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert [layer.state_dict().keys() for layer in layers_of(model)] == [
        layers_of(decoder.model)[index].state_dict().keys() for index in ORDER
    ]


@pytest.mark.parametrize("name", ["llama", "gpt2", "cohere2", "mixtral"])
def test_a_cache_does_not_change_what_a_checkpoint_says(name: str, tmp_path: Path) -> None:
    export_path(decoder_of(name), LayerPath.from_layers(ORDER), folder=tmp_path / "out")
    model = reload(tmp_path / "out")
    with torch.no_grad():
        first = model(input_ids=tiny_token_ids()[:, :9], use_cache=True)
        second = model(input_ids=tiny_token_ids()[:, 9:], past_key_values=first.past_key_values)
    assert distance(torch.cat([first.logits, second.logits], 1), model_logits(model, tiny_token_ids())) <= TOLERANCE


@pytest.mark.parametrize("half", ["attn", "mlp"])
@pytest.mark.parametrize("name", HALVES)
def test_half_a_layer_is_exported_with_zeroed_output_weights(name: str, half: Literal["attn", "mlp"], tmp_path: Path) -> None:
    decoder = decoder_of(name)
    kept: Literal["attn", "mlp"] = "mlp" if half == "attn" else "attn"
    export_path(decoder, LayerPath.parse(f"0,1.{kept},2-3"), folder=tmp_path / "out")
    model = reload(tmp_path / "out")
    expected = silenced_logits(decoder.model, tiny_token_ids(), 1, half)
    assert distance(model_logits(model, tiny_token_ids()), expected) <= TOLERANCE
    assert distance(model_logits(decoder.model, tiny_token_ids()), expected) > VISIBLE
    outputs = HALVES[name][0 if half == "attn" else 1]
    for parameter, tensor in layers_of(model)[1].named_parameters():
        is_output = re.sub(r"([._]bias|\.weight)$", "", parameter) in outputs
        assert bool((tensor == 0).all()) == is_output, parameter


def test_no_half_is_silenced_by_more_weights_than_it_takes() -> None:
    shared, routed = "mlp.shared_experts.down_proj.weight", "mlp.experts.down_proj"
    assert find_silent_weights(decoder_of("deepseek_v3"), LayerStep(1, "attn")) == (shared, routed)
    assert find_silent_weights(decoder_of("deepseek_v3"), LayerStep(0, "attn")) == ("mlp.down_proj.weight",)
    assert find_silent_weights(decoder_of("gpt2"), LayerStep(0, "mlp")) == ("attn.c_proj.weight", "attn.c_proj.bias")


@pytest.mark.parametrize("name", sorted({*HALVES, *EXPORTED} - {"mamba", "nemotron_h"}))  # their layers have no halves
def test_a_recipe_for_mergekit_is_read_back_in_every_family(name: str) -> None:
    decoder, parts = decoder_of(name), ("attn", "mlp")
    steps = [LayerStep(layer, part) for layer in range(decoder.n_layers) for part in parts]
    silent = {step: modules_of(find_silent_weights(decoder, step)) for step in steps}
    recipe = mergekit_recipe(LayerPath(tuple(steps)), "org/model", dtype="float32", silent=silent)
    (found,) = read_paths(recipe, "'a'", form=FORMATS["mergekit"])
    assert found.path == LayerPath(tuple(steps))


def test_all_that_a_path_can_hold_at_once(tmp_path: Path) -> None:
    decoder = decoder_of("gemma2")
    path = "3.mlp,0,1.attn,1,3.mlp,2"
    export_path(decoder, LayerPath.parse(path), folder=tmp_path / "out")
    recording = decoder.record(tiny_token_ids())
    hidden = recording.embedded
    for step in LayerPath.parse(path).steps:
        hidden = decoder.run_step(step, hidden, recording)
    assert distance(model_logits(reload(tmp_path / "out"), tiny_token_ids()), decoder.unembed(hidden)) <= TOLERANCE
    sliding, full = "sliding_attention", "full_attention"
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["num_hidden_layers"] == 6
    assert config["layer_types"] == [sliding, sliding, full, full, sliding, sliding]


def test_the_decoder_is_bit_identical_afterwards(tmp_path: Path) -> None:
    decoder, fresh = Decoder(build_tiny("mixtral"), "mixtral"), build_tiny("mixtral")
    export_path(decoder, LayerPath.parse("0.attn,1.mlp,2,2"), folder=tmp_path / "out")
    assert decoder.model.config.to_dict() == fresh.config.to_dict()
    assert all(torch.equal(tensor, fresh.state_dict()[name]) for name, tensor in decoder.model.state_dict().items())
    assert not any(module._forward_hooks for module in decoder.model.modules())


def test_tied_embeddings_stay_tied_and_are_written_once(tmp_path: Path) -> None:
    export_path(decoder_of("llama"), LayerPath.parse("0-2"), folder=tmp_path / "tied")
    export_path(decoder_of("llama-untied"), LayerPath.parse("0-2"), folder=tmp_path / "untied")
    assert "lm_head.weight" not in tensors_in(tmp_path / "tied")
    assert "lm_head.weight" in tensors_in(tmp_path / "untied")
    model = reload(tmp_path / "tied")
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_a_layer_that_is_visited_twice_is_written_twice(tmp_path: Path) -> None:
    export_path(decoder_of("llama"), LayerPath.parse("0,2,2"), folder=tmp_path / "out")
    tensors = tensors_in(tmp_path / "out")
    names = sorted(name.removeprefix("model.layers.1.") for name in tensors if name.startswith("model.layers.1."))
    assert len(names) == 9
    assert all(torch.equal(tensors[f"model.layers.1.{name}"], tensors[f"model.layers.2.{name}"]) for name in names)
    model = reload(tmp_path / "out")
    assert model.model.layers[1].mlp.up_proj.weight is not model.model.layers[2].mlp.up_proj.weight


def test_half_precision_is_kept_and_agrees_to_the_bit(tmp_path: Path) -> None:
    build_tiny("qwen3").save_pretrained(tmp_path / "source")
    decoder = Decoder(AutoModelForCausalLM.from_pretrained(tmp_path / "source", dtype=torch.bfloat16), "qwen3")
    report = export_path(decoder, LayerPath.from_layers(ORDER), folder=tmp_path / "out")
    assert (report.dtype, report.agreement.largest_difference) == ("bfloat16", 0.0)
    assert {tensor.dtype for tensor in tensors_in(tmp_path / "out").values()} == {torch.bfloat16}
    assert reload(tmp_path / "out").dtype == torch.bfloat16


def test_everything_that_belongs_to_a_checkpoint_travels(tiny_checkpoint: Path, tmp_path: Path) -> None:
    decoder = load_decoder(str(tiny_checkpoint))
    decoder.model.generation_config = GenerationConfig(max_new_tokens=7, eos_token_id=256)
    report = export_path(decoder, LayerPath.parse("0,3.mlp,1"), folder=tmp_path / "out")
    folder = tmp_path / "out"
    assert GenerationConfig.from_pretrained(folder).max_new_tokens == 7
    assert AutoTokenizer.from_pretrained(folder)("a cat").input_ids == decoder.encoder.tokenizer("a cat").input_ids
    assert load_decoder(str(folder)).n_layers == 3
    assert (report.layers_before, report.layers_after, report.dtype) == (4, 3, "float32")
    assert report.bytes_written == (folder / "model.safetensors").stat().st_size
    record = json.loads((folder / "layerscope.json").read_text(encoding="utf-8"))
    assert (record["model"], record["path"], record["layers"]) == ("tiny-llama", "0,3.mlp,1", {"before": 4, "after": 3})
    assert record["zeroed"] == {"3.mlp": ["self_attn.o_proj.weight"]}
    assert record["reloaded"] == {
        "tokens": 24,
        "largest_difference_of_logits": report.agreement.largest_difference,
        "largest_logit": report.agreement.largest_logit,
    }
    assert record["packages"].keys() == {"layerscope", "torch", "transformers", "safetensors"}
    source = yaml.safe_load((folder / "mergekit.yaml").read_text(encoding="utf-8"))["slices"][1]["sources"][0]
    assert (source["model"], source["layer_range"]) == ("tiny-llama", [3, 4])
    for name in ("config.json", "layerscope.json", "mergekit.yaml", "generation_config.json"):
        assert str(tmp_path.parent) not in (folder / name).read_text(encoding="utf-8"), "no path of this machine"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_configuration_cannot_say_is_refused_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    order, message = REFUSED[name]
    refused(decoder_of(name), str(LayerPath.from_layers(order)), tmp_path / "new" / "out", ModelError, message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "path"), [("jamba", "1-3"), ("jamba", "0-2"), ("gpt2-inverse-layer", "0-2"), ("afmoe", "0,0-2")]
)
def test_the_same_families_where_the_order_allows_it(name: str, path: str, tmp_path: Path) -> None:
    decoder = decoder_of(name)
    export_path(decoder, LayerPath.parse(path), folder=tmp_path / "out")
    order = [step.layer for step in LayerPath.parse(path).steps]
    expected = surgery_logits(decoder.model, tiny_token_ids(), order)
    assert distance(model_logits(reload(tmp_path / "out"), tiny_token_ids()), expected) <= TOLERANCE


def misread(monkeypatch: pytest.MonkeyPatch, change: Callable[[PretrainedConfig], None]) -> None:
    """As if the configuration had been put into the new order wrongly."""
    from layerscope.models import export

    original = export.rearranged_config

    def wrong(config: PretrainedConfig, order: Sequence[int], **more: Any) -> PretrainedConfig:
        changed = original(config, order, **more)
        change(changed)
        return changed

    monkeypatch.setattr(export, "rearranged_config", wrong)


def test_a_lost_window_is_found_though_it_is_longer_than_the_random_text(tmp_path: Path, monkeypatch) -> None:
    decoder = Decoder(build_tiny("gemma2", sliding_window=40), "gemma2")
    misread(monkeypatch, lambda config: config.layer_types.reverse())
    message = "for '0,2,1,1' of 'gemma2' the layer in place 0 does not get the mask or positions of layer 0"
    refused(decoder, "0,2,1,1", tmp_path / "out", ModelError, message)


def test_a_setting_that_changes_the_logits_is_found(tmp_path: Path, monkeypatch) -> None:
    misread(monkeypatch, lambda config: setattr(config, "rms_norm_eps", 0.1))
    message = (
        "for '0-2' of 'llama' they differ by .* where the largest logit is .* as happens where a layer acts on its own number"
    )
    refused(decoder_of("llama"), "0-2", tmp_path / "out", ModelError, message)


def test_transformers_own_refusal_is_one_sentence(tmp_path: Path, monkeypatch) -> None:
    misread(monkeypatch, lambda config: setattr(config, "hidden_act", "no such"))
    message = "through transformers' own code, which fails for 'llama' in the order 0-2: "
    refused(decoder_of("llama"), "0-2", tmp_path / "out", ModelError, message)


def test_a_checkpoint_that_does_not_load_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # a bug of ours is not dressed up, and leaves nothing either
        export_path(decoder_of("llama"), LayerPath.parse("0-2"), folder=tmp_path / "out")
    assert not list(tmp_path.iterdir())

    def cannot(*_: object, **__: object) -> None:
        raise ValueError("no such family")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", cannot)
    message = r"must load with transformers alone; that of 'llama' does not \(no such family\), so it cannot be exported"
    refused(decoder_of("llama"), "0-2", tmp_path / "out", ModelError, message)


def test_weights_that_do_not_fit_after_reloading_are_refused(tmp_path: Path, monkeypatch) -> None:
    info = {"missing_keys": {"b", "a"}, "unexpected_keys": set(), "mismatched_keys": set()}
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", lambda *_, **__: (build_tiny("llama"), info))
    message = r"that of 'llama' does not \(2 do not fit, the first is a\), so it cannot be exported"
    refused(decoder_of("llama"), "0-2", tmp_path / "out", ModelError, message)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("0,(1|2),3", "has layers side by side"),
        (
            "0,1.h1,2-3",
            r"leaves out a single head: 1.h1. Such a path can be measured \(layerscope sweep --path\), not exported",
        ),
        ("none", "has one layer or more; 'none' visits none"),
        ("0-9", "stays within the model's layers 0-3; '0-9' visits 4, 5, 6, 7, 8, 9"),
    ],
)
def test_paths_that_are_no_checkpoint(path: str, message: str, tmp_path: Path) -> None:
    refused(decoder_of("llama"), path, tmp_path / "out", PathError, message)


def test_halves_that_a_family_does_not_have(tmp_path: Path) -> None:
    refused(decoder_of("mamba"), "0,1.mlp", tmp_path / "out", ModelError, "needs layers that have both; in 'mamba'")


def test_zeros_that_do_not_silence_a_half_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.models.silent_weights._maps", lambda *_: [("input_layernorm.weight",)])
    with pytest.raises(ModelError, match="in 'llama' no zeros do what the step 1.attn does, so a path with it cannot"):
        find_silent_weights(decoder_of("llama"), LayerStep(1, "attn"))


def test_a_quantised_model_is_refused(tmp_path: Path) -> None:
    decoder = Decoder(build_tiny("llama"), "some-model")
    decoder.model.hf_quantizer = object()
    refused(decoder, "0-2", tmp_path / "out", ModelError, "writes plain weights; those of 'some-model' are quantised: load the")


def test_weights_on_disk_are_refused(tmp_path: Path) -> None:
    decoder = Decoder(build_tiny("llama"), "some-model")
    decoder.model.model.layers[2].to("meta")
    refused(decoder, "0-2", tmp_path / "out", ModelError, "needs every weight in memory; some of 'some-model' are on disk")


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize(("umask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_everything_has_the_permissions_of_the_umask(
    tiny_decoder: Decoder, tmp_path: Path, umask: int, file_mode: int, folder_mode: int
) -> None:
    before = os.umask(umask)
    try:
        export_path(tiny_decoder, LayerPath.parse("0,2"), folder=tmp_path / "out")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == folder_mode
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert modes == dict.fromkeys(modes, file_mode)
    assert "model.safetensors" in modes


@pytest.mark.parametrize("name", ["line\nfeed: [", "tab\tand 'quotes'", "\x1b[31mred"])
def test_a_name_cannot_break_the_files_that_describe_it(tiny_checkpoint: Path, tmp_path: Path, name: str) -> None:
    decoder = load_decoder(str(shutil.copytree(tiny_checkpoint, tmp_path / name)))
    export_path(decoder, LayerPath.parse("0,2"), folder=tmp_path / "out")
    recipe = yaml.safe_load((tmp_path / "out" / "mergekit.yaml").read_text(encoding="utf-8"))
    written = recipe["slices"][0]["sources"][0]["model"]
    assert written == name
    assert json.loads((tmp_path / "out" / "layerscope.json").read_text(encoding="utf-8"))["model"] == written


def test_a_folder_that_holds_something_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    path = LayerPath.parse("0-2")
    export_path(decoder_of("llama"), path, folder=folder)  # an empty one will do
    refused(
        decoder_of("llama"),
        "0-2",
        folder,
        RunError,
        "new or empty folder; '.*out' holds config.json: name another --output-dir",
    )
    (folder / "old").touch()
    report = export_path(decoder_of("llama"), LayerPath.parse("0"), folder=folder, force=True)
    assert report.layers_after == reload(folder).config.num_hidden_layers == 1
    assert not (folder / "old").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    (folder / "layerscope.json").unlink()
    with pytest.raises(
        RunError, match="--force replaces an earlier export, which holds layerscope.json; '.*out' holds config.json"
    ):
        export_path(decoder_of("llama"), path, folder=folder, force=True)
    assert reload(folder).config.num_hidden_layers == 1
    refused(decoder_of("llama"), "0-2", folder / "config.json", RunError, "An export is a folder; '.*config.json' is a file")


def test_an_earlier_export_stays_where_the_new_one_is_refused(tmp_path: Path) -> None:
    export_path(decoder_of("gpt2-inverse-layer"), LayerPath.parse("0-2"), folder=tmp_path / "out")
    before = (tmp_path / "out" / "layerscope.json").read_text(encoding="utf-8")
    with pytest.raises(ModelError, match="they differ by"):
        export_path(decoder_of("gpt2-inverse-layer"), LayerPath.parse("1-3"), folder=tmp_path / "out", force=True)
    assert (tmp_path / "out" / "layerscope.json").read_text(encoding="utf-8") == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("layerscope.models.export._describe", full)
    message = r"out' cannot be written \(No space left on device\): free some space, or name another --output-dir"
    refused(decoder_of("llama"), "0-2", tmp_path / "out", RunError, message)


def test_the_old_folder_comes_back_where_the_new_one_cannot_be_moved(tmp_path: Path, monkeypatch) -> None:
    export_path(decoder_of("llama"), LayerPath.parse("0-2"), folder=tmp_path / "out")
    rename = Path.rename

    def refuse_the_last(self: Path, target: Path) -> Path:
        if self.name.startswith(".unfinished-"):
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_the_last)
    with pytest.raises(RunError, match="Permission denied"):
        export_path(decoder_of("llama"), LayerPath.parse("0"), folder=tmp_path / "out", force=True)
    assert reload(tmp_path / "out").config.num_hidden_layers == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_at_least_ten_families_are_exported() -> None:
    assert len({TINY[name].model_type for name in EXPORTED}) >= 30


@pytest.mark.slow
@pytest.mark.real
def test_a_real_model_without_two_layers(real_model: str, real_decoder: Decoder, tmp_path: Path) -> None:
    parameters = {"smollm2-135m": 127_434_816, "gemma3-270m": 268_098_176 - 2 * 5_573_632}[real_model]
    last = real_decoder.n_layers - 1
    report = export_path(real_decoder, LayerPath.parse(f"0-9,12-{last}"), folder=tmp_path / "out")
    assert report.agreement.parameters == parameters
    expected = surgery_logits(real_decoder.model, tiny_token_ids(), [*range(10), *range(12, last + 1)])
    found = model_logits(reload(tmp_path / "out"), tiny_token_ids())
    assert distance(found, expected) <= 1e-4 * max(1.0, float(expected.abs().max()) / 20)
