"""A tuned lens: read from both kinds of files, refused for each defect, and held against plain transformers at every depth."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from layerscope.engine.batching import make_shards
from layerscope.errors import ModelError
from layerscope.models.decoder import Decoder
from layerscope.models.tuned_lens import attach_lens
from layerscope.models.tuned_lens_files import read_tuned_lens
from layerscope.paths.families import build_variants
from layerscope.paths.plan import plan_sweep
from layerscope.sweeps.checks import check_paths_run
from layerscope.sweeps.engine.plain import plain_shard
from layerscope.sweeps.engine.walk import walk_shard
from tests.lens_files import hash_of, random_state, save_lens
from tests.made_up_windows import windows_of
from tests.models.test_depth import last_layer_gives
from tests.tiny_models import build_tiny

FAMILIES = [
    "llama",
    "llama-untied",
    "gpt2",
    "gemma2",
    "gemma3_text",
    "gpt_neox",
    "opt-350m",
    "granite",
    "cohere",
    "falcon",
    "bloom",
    "qwen3_moe",
]


def with_lens(name: str, folder: Path, state: dict[str, Tensor], **changes: Any) -> Decoder:
    model = build_tiny(name)
    decoder = Decoder(model, name)
    attach_lens(decoder, read_tuned_lens(save_lens(folder, state, model=model, **changes)))
    return decoder


@pytest.mark.parametrize("name", FAMILIES)
@torch.inference_mode()
def test_every_depth_is_the_hidden_state_through_its_translator_and_the_models_own_end(name: str, tmp_path: Path) -> None:
    """Oracle: transformers' hidden states, h + W h + b, and the model's own last norm and head."""
    state = random_state()
    decoder = with_lens(name, tmp_path, state)
    plan = plan_sweep(build_variants(["tuned-depth"], [], 4), 4)
    windows = windows_of([17])
    (shard,) = make_shards(windows, 64)
    found = [run(decoder, plan, shard).scores for run in (walk_shard, plain_shard)]
    model, ids = decoder.model, torch.from_numpy(windows[0].ids.astype(np.int64))[None]
    hidden = model(ids, output_hidden_states=True, use_cache=False).hidden_states
    assert [variant.name for variant in plan.variants[1:]] == [f"tuned-depth-{k}" for k in range(-1, 4)]
    for row, variant in enumerate(plan.variants[1:], start=1):
        if row < 5:  # the translator is the state's own place among the hidden states: depth row - 2, index row - 1
            weight, bias = state[f"{row - 1}.weight"], state[f"{row - 1}.bias"]
            with last_layer_gives(model, hidden[row - 1] + hidden[row - 1] @ weight.T + bias):
                logits = model(ids, use_cache=False).logits
        else:
            logits = model(ids, use_cache=False).logits
        log_p = logits[0, :-1].double().log_softmax(dim=-1)
        expected = -log_p.gather(1, ids[0, 1:, None])[:, 0].numpy()
        for scores in found:
            np.testing.assert_allclose(scores.nll_nats[row], expected, atol=3e-5, err_msg=variant.name)
            np.testing.assert_array_equal(scores.top1_id[row], log_p.argmax(dim=-1).numpy())


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2", "gpt_neox"])
def test_a_lens_of_zeros_is_the_logit_lens_and_the_last_depth_is_the_model_to_the_bit(name: str, tmp_path: Path) -> None:
    variants = build_variants(["removal", "depth", "tuned-depth"], ["0-2"], 4)
    plan = plan_sweep(variants, 4)
    assert plan.layer_runs == plan_sweep(build_variants(["removal"], [], 4), 4).layer_runs
    row = {variant.name: index for index, variant in enumerate(variants)}
    (shard,) = make_shards(windows_of([12, 12]), 64)
    zeros = {name: torch.zeros_like(value) for name, value in random_state().items()}
    nothing = walk_shard(with_lens(name, tmp_path / "zeros", zeros), plan, shard).scores
    something = walk_shard(with_lens(name, tmp_path / "random", random_state()), plan, shard).scores
    for field in ("nll_nats", "kl_nats", "top1_id"):
        one, other = getattr(nothing, field), getattr(something, field)
        for depth in range(-1, 4):
            np.testing.assert_array_equal(one[row[f"tuned-depth-{depth}"]], one[row[f"depth-{depth}"]])
        np.testing.assert_array_equal(other[row["tuned-depth-3"]], other[row["intact"]])
        untouched = [row[name] for name in row if not name.startswith("tuned")]
        np.testing.assert_array_equal(one[untouched], other[untouched])
        assert not np.array_equal(other[row["tuned-depth-2"]], other[row["depth-2"]])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_both_forms_of_the_files_and_old_names_hold_the_same_lens(tmp_path: Path, dtype: torch.dtype, bias: bool) -> None:
    state = {name: value.to(dtype) for name, value in random_state(bias=bias).items()}
    old = {f"layer_translators.{name}": value for name, value in state.items()}
    folders = [
        save_lens(tmp_path / "pickle", state, bias=bias),
        save_lens(tmp_path / "safe", state, bias=bias, safe=True),
        save_lens(tmp_path / "old", old, bias=bias),
        save_lens(tmp_path / "parameters", {name: torch.nn.Parameter(value) for name, value in state.items()}, bias=bias),
    ]
    first, *others = [read_tuned_lens(folder) for folder in folders]
    assert (first.n_translators, first.d_model, first.dtype, (first.biases is None)) == (4, 32, dtype, not bias)
    assert all(torch.equal(weight, state[f"{index}.weight"]) for index, weight in enumerate(first.weights))
    assert first.biases is None or all(torch.equal(one, state[f"{index}.bias"]) for index, one in enumerate(first.biases))
    assert {lens.digest for lens in others} == {first.digest}
    state["2.weight"][3, 4] += 1
    assert read_tuned_lens(save_lens(tmp_path / "changed", state, bias=bias)).digest != first.digest


def test_safetensors_are_taken_where_there_are_both(tmp_path: Path) -> None:
    save_lens(tmp_path, random_state(seed=1))
    save_lens(tmp_path, random_state(seed=2), safe=True)
    assert torch.equal(read_tuned_lens(tmp_path).weights[0], random_state(seed=2)["0.weight"])


class Runs:
    """What a pickle can do to whoever opens it."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return exec, ("raise SystemExit('a pickle ran code')",)


def expanded() -> Tensor:
    return torch.zeros(1).expand(32, 32)


DEFECTS: dict[str, tuple[Any, str]] = {
    "code": ({**random_state(), "0.weight": Runs()}, "read as tensors and nothing else, because a pickle can run code"),
    "a list": ([torch.zeros(3)], "holds the translators by name; '.*' holds a list"),
    "one missing": ({k: v for k, v in random_state().items() if k != "2.bias"}, r"0\.weight to 3\.bias.* lacks '2\.bias':"),
    "a layer missing": (random_state(3), r"lacks '3\.weight', '3\.bias':"),
    "a layer more": (random_state(5), r"also has '4\.bias', '4\.weight':"),
    "all missing": ({}, r"lacks '0\.weight', '0\.bias', '1\.weight' and 5 more"),
    "other names": ({**random_state(), "attn_adapters.0": torch.zeros(1)}, "also has 'attn_adapters.0'"),
    "twice": ({**random_state(), "layer_translators.0.bias": torch.zeros(32)}, "has a name twice"),
    "no text": ({**random_state(), 7: torch.zeros(32)}, "also has '7'"),
    "no tensor": ({**random_state(), "0.bias": 3.0}, r"0\.bias of '.*' is a float"),
    "whole numbers": ({**random_state(), "0.bias": torch.zeros(32, dtype=torch.int64)}, r"0\.bias of '.*' is of int64"),
    "complex": ({**random_state(), "0.bias": torch.zeros(32, dtype=torch.complex64)}, r"0\.bias of '.*' is of complex64"),
    "sparse": ({**random_state(), "0.weight": torch.eye(32).to_sparse()}, r"0\.weight of '.*' is of float32, and no plain"),
    "nowhere": ({**random_state(), "0.weight": torch.zeros(32, 32, device="meta")}, r"0\.weight .* and no plain tensor"),
    "a shape": ({**random_state(), "1.weight": torch.zeros(32, 31)}, r"1\.weight of '.*' is of shape \(32, 31\)"),
    "a shape of a bias": ({**random_state(), "3.bias": torch.zeros(1, 32)}, r"3\.bias of '.*' is of shape \(1, 32\)"),
    "a bomb": ({**random_state(), "1.weight": expanded()}, "larger than what is stored of it"),
    "not finite": ({**random_state(), "3.weight": torch.full((32, 32), torch.nan)}, r"3\.weight of '.*' is not finite"),
    "infinite": ({**random_state(), "3.bias": torch.full((32,), -torch.inf)}, r"3\.bias of '.*' is not finite"),
    "two dtypes": ({**random_state(), "3.bias": torch.zeros(32).half()}, "are of one dtype; those of '.*' are of several"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_of_the_parameters_is_one_sentence(defect: str, tmp_path: Path) -> None:
    state, message = DEFECTS[defect]
    with pytest.raises(ModelError, match=message):
        read_tuned_lens(save_lens(tmp_path, state))


@pytest.mark.parametrize("name", ["params.pt", "params.safetensors"])
@pytest.mark.parametrize("content", [b"", b"\x80", b"PK\x03\x04", b"no such file", pickle.dumps({"0.weight": 1}), b"\0" * 300])
def test_a_file_that_is_none_is_one_sentence(name: str, content: bytes, tmp_path: Path) -> None:
    save_lens(tmp_path, random_state(), safe=name.endswith("safetensors"))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match="fetch"):
        read_tuned_lens(tmp_path)
    (tmp_path / name).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match="Git LFS pointer"):
        read_tuned_lens(tmp_path)


@pytest.mark.parametrize("safe", [True, False])
def test_a_file_that_is_cut_off_is_one_sentence(safe: bool, tmp_path: Path) -> None:
    save_lens(tmp_path, random_state(), safe=safe)
    path = tmp_path / ("params.safetensors" if safe else "params.pt")
    whole = path.read_bytes()
    for kept in range(0, len(whole), len(whole) // 23):
        path.write_bytes(whole[:kept])
        with pytest.raises(ModelError, match="fetch"):
            read_tuned_lens(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": "32"}, "d_model is the width of the model's residual stream; '.*' has '32'"),
        ({"d_model": True}, "d_model is the width .* has True"),
        ({"d_model": 0}, "1 to 4096 layers, 1 to 1,048,576 wide; '.*' says 4 and 0"),
        ({"num_hidden_layers": 10**9}, "says 1000000000 and 32"),
        ({"num_hidden_layers": None}, "num_hidden_layers is the model's number of layers; '.*' has None"),
        ({"base_model_name_or_path": ["x"]}, r"base_model_name_or_path is the model's name; '.*' has \['x'\]"),
        ({"base_model_revision": 3}, "base_model_revision is a name or null; '.*' has 3"),
        ({"bias": "yes"}, "bias is true or false; '.*' has 'yes'"),
        ({"bias": False}, r"0\.weight to 3\.weight.*also has '0\.bias'"),
        ({"lens_type": "low_rank"}, "of the type linear_tuned_lens; '.*' says 'low_rank'"),
        ({"unembed_hash": 12345}, "SHA-256 in 64 hexadecimal digits, or null; '.*' has 12345"),
        ({"unembed_hash": "A" * 64}, "SHA-256 in 64 hexadecimal digits"),
        ({"unemebd_hash": "short"}, "'.*' has 'short'"),
        ({"lens_type": "\x1b[31m" + "x" * 5000}, r"says '\\x1b\[31mx+…"),
    ],
)
def test_each_defect_of_the_configuration_is_one_sentence(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message):
        read_tuned_lens(save_lens(tmp_path, random_state(), **changes))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": ' * 200 + "1" + "}" * 200, "\x00"])
def test_a_configuration_that_is_no_object_is_one_sentence(text: str, tmp_path: Path) -> None:
    save_lens(tmp_path, random_state())
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="must be a file with a JSON object"):
        read_tuned_lens(tmp_path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"--tuned-lens is a folder with config\.json .*there is none at '.*nowhere'"):
        read_tuned_lens(tmp_path / "nowhere")
    save_lens(tmp_path, random_state())
    with pytest.raises(ModelError, match="there is none at '.*params.pt'"):
        read_tuned_lens(tmp_path / "params.pt")
    (tmp_path / "params.pt").unlink()
    with pytest.raises(ModelError, match=r"in params\.safetensors or params\.pt; '.*' has neither"):
        read_tuned_lens(tmp_path)
    (tmp_path / "params.pt").mkdir()
    with pytest.raises(ModelError, match="must be a file, and is a folder"):
        read_tuned_lens(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has a config\.json that names its model; '.*' has none"):
        read_tuned_lens(tmp_path)


def attached(folder: Path, decoder: Decoder, **changes: Any) -> str | None:
    n_layers, d_model = changes.get("num_hidden_layers", 4), changes.get("d_model", 32)
    return attach_lens(decoder, read_tuned_lens(save_lens(folder, random_state(n_layers, d_model), **changes)))


def test_the_hash_of_the_unembedding_must_agree(tmp_path: Path) -> None:
    decoder = Decoder(build_tiny("llama-untied"), "llama-untied")
    own = decoder.model.get_output_embeddings().weight
    assert attached(tmp_path, decoder, unembed_hash=hash_of(own)) == "float32"
    assert attached(tmp_path, decoder, unemebd_hash=hash_of(own)) == "float32"  # as the package wrote it at first
    assert attached(tmp_path, decoder) is None
    other = hash_of(build_tiny("gpt2").get_output_embeddings().weight)
    message = f"made-up/model', has the hash {other} and the unembedding of 'llama-untied' has {hash_of(own)}, .*another model"
    with pytest.raises(ModelError, match=message):
        attached(tmp_path, decoder, unembed_hash=other)


def test_a_lens_of_a_narrower_dtype_is_known(tmp_path: Path) -> None:
    decoder = Decoder(build_tiny("llama-untied"), "llama-untied")
    weight = decoder.model.get_output_embeddings().weight
    with torch.no_grad():
        weight[0, 0], weight[1, 1] = 1.4495, 1e-6  # rounded to 1.453: it shows at the first decimal
    in_bfloat16 = hash_of(weight.bfloat16())
    assert in_bfloat16 != hash_of(weight)
    assert attached(tmp_path, decoder, unembed_hash=in_bfloat16) == "bfloat16"


@pytest.mark.parametrize(("layers", "width"), [(3, 32), (5, 32), (4, 16)])
def test_the_lens_of_a_model_of_another_size_is_refused(tmp_path: Path, layers: int, width: int) -> None:
    decoder = Decoder(build_tiny("llama"), "llama")
    message = rf"of 'made-up/model', has {layers} layers of width {width}, and this model has 4 of width 32"
    with pytest.raises(ModelError, match=message):
        attached(tmp_path, decoder, num_hidden_layers=layers, d_model=width)
    assert decoder.lens is None


def test_a_model_of_several_streams_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(build_tiny("llama"), "llama")
    record = decoder.record

    def of_two_streams(ids: Tensor) -> Any:
        from dataclasses import replace

        recording = record(ids)
        return replace(recording, embedded=torch.stack([recording.embedded] * 2, dim=2))

    monkeypatch.setattr(decoder, "record", of_two_streams)
    with pytest.raises(ModelError, match="one vector a token; 'llama' keeps several, which is not supported: leave out tuned"):
        attached(tmp_path, decoder)


def test_the_lens_takes_the_models_dtype_and_one_that_overflows_there_is_refused(tmp_path: Path) -> None:
    decoder = Decoder(build_tiny("llama").half(), "llama")
    assert attached(tmp_path, decoder) is None
    assert decoder.lens is not None
    assert decoder.lens.dtype == torch.float16
    state = {**random_state(), "1.bias": torch.full((32,), 1e6)}
    with pytest.raises(ModelError, match="are float32 and overflow in the model's float16: take a wider --dtype"):
        attach_lens(decoder, read_tuned_lens(save_lens(tmp_path, state)))


def test_tuned_depths_without_a_lens_are_refused() -> None:
    decoder = Decoder(build_tiny("llama"), "tiny")
    check_paths_run(decoder, plan_sweep(build_variants(["depth"], [], 4), 4))
    with pytest.raises(ModelError, match="tuned-depth are read through a tuned lens, and 'tiny' has none"):
        check_paths_run(decoder, plan_sweep(build_variants(["tuned-depth"], [], 4), 4))


def test_the_model_is_bit_identical_after_it_was_read_through_a_lens(tmp_path: Path) -> None:
    decoder = with_lens("gpt2", tmp_path, random_state())
    before = {name: tensor.clone() for name, tensor in decoder.model.state_dict().items()}
    plan = plan_sweep(build_variants(["tuned-depth"], [], 4), 4)
    (shard,) = make_shards(windows_of([9]), 64)
    first, second = (walk_shard(decoder, plan, shard).scores.nll_nats for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert all(torch.equal(before[name], tensor) for name, tensor in decoder.model.state_dict().items())


def test_settings_that_the_package_adds_later_are_passed_over(tmp_path: Path) -> None:
    save_lens(tmp_path, random_state(), safe=True, something_new=[1, 2])
    save_file(random_state(), tmp_path / "params.safetensors", metadata={"format": "pt"})
    assert json.loads((tmp_path / "config.json").read_text())["something_new"] == [1, 2]
    assert read_tuned_lens(tmp_path).base_model == "made-up/model"
