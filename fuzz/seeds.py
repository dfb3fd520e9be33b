"""Small valid files of every format, made once for a run of the fuzzer by the builders of the tests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from unittest import mock

import gguf
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from fuzz.formats_runs import RUN_FOLDERS
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.prepare import ContrastRequest, prepare_contrast
from layerscope.contrasts.reference import ReferenceText
from layerscope.contrasts.run import run_contrast
from layerscope.contrasts.stability import StabilityRequest, find_stability
from layerscope.pairs.format import write_pairs
from layerscope.pairs.importing import to_published
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.parts_of_speech import TagRequest, tag_run
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from tests.checkpoints import byte_tokenizer, save_tiny_llama
from tests.conllu import SENTENCES
from tests.letter_pairs import pairs_of_names
from tests.tiny_runs import write_intervention

TEXTS = (
    "The cat sat on the mat.",
    "She is good at math, he said.",
    "",
    "It rained all day in the small town.",
    "東京は日本の首都です。",
    'A "quoted" text & a 🙂.',
)
WIKI = " \n = Title = \n \n A first line of an article . \n = = Part = = \n Another line . \n = Other = \n The end . \n"
BLIMP = {
    "sentence_good": "The cat sits here.",
    "sentence_bad": "The cat sit here.",
    "field": "morphology",
    "linguistics_term": "subject_verb_agreement",
    "UID": "regular_plural_subject_verb_agreement_1",
    "simple_LM_method": True,
    "pairID": "0",
}
_GGUF_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def make_seeds(folder: Path) -> None:
    """Models, data sets, pairs and finished runs, under the names that ``formats`` looks for."""
    folder.mkdir(parents=True, exist_ok=True)
    model = save_tiny_llama(folder / "model", n_layers=3)
    loaded = AutoModelForCausalLM.from_pretrained(model)
    loaded.save_pretrained(folder / "shards", max_shard_size="40KB")
    byte_tokenizer().save_pretrained(folder / "shards")
    _write_gguf(model, folder / "model.gguf")
    _write_texts(folder)
    _write_pairs(folder)
    with mock.patch.dict(os.environ, {"LAYERSCOPE_CACHE": str(folder / "cache")}):
        _make_runs(folder, model)


def _write_texts(folder: Path) -> None:
    records = [{"text": text, "number": number} for number, text in enumerate(TEXTS)]
    (folder / "texts.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    (folder / "texts.raw").write_text(WIKI, encoding="utf-8")
    (folder / "texts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(records), folder / "texts.parquet")
    (folder / "sleb.txt").write_text("# Total Blocks: 3\nBlock Removal Order: [1]\n", encoding="utf-8")
    (folder / "sentences.conllu").write_text(SENTENCES, encoding="utf-8")


def _write_pairs(folder: Path) -> None:
    pairs = pairs_of_names()
    write_pairs(pairs, folder / "many.jsonl")
    few = pairs[:8] + [pair for pair in pairs if pair.type == "control"][:4]
    write_pairs(few, folder / "pairs.jsonl")
    (folder / "published.json").write_text(json.dumps(to_published(few), indent=2), encoding="utf-8")
    (folder / "blimp.jsonl").write_text("".join(json.dumps({**BLIMP, "pairID": str(n)}) + "\n" for n in range(3)), "utf-8")
    rows = [
        {"good": pair.sentence1, "bad": pair.sentence2, "type": pair.type, "subtype": pair.subtype, "right": "1"}
        for pair in few
    ]
    (folder / "table.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    (folder / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for suffix, separator in (("csv", ","), ("tsv", "\t")):
        lines = [separator.join(rows[0]), *(separator.join(f'"{value}"' for value in row.values()) for row in rows)]
        (folder / f"table.{suffix}").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _make_runs(folder: Path, model: Path) -> None:
    for name, texts, experiments in (
        ("sweep", "texts.jsonl", ("removal", "exchange")),
        ("gold", "sentences.conllu", ("removal",)),
    ):
        request = SweepRequest(
            str(model), str(folder / texts), experiments=experiments, max_samples=None, output_dir=folder / "results"
        )
        prepared = prepare_sweep(request)
        run_sweep(prepared)
        gold = folder / texts if name == "gold" else None
        tag_run(FinishedRun.open(folder / RUN_FOLDERS[name]), TagRequest("en", "gold" if gold else None, gold))
    (folder / "reference.txt").write_text("\n".join(f"Line {n} tells of {n + 2} dogs." for n in range(12)), encoding="utf-8")
    prepared_contrast = prepare_contrast(
        ContrastRequest(
            model=str(model),
            pairs=folder / "many.jsonl",
            sites=("resid_post",),
            positions=("edit", "last"),
            reference=ReferenceText(str(folder / "reference.txt"), 100),
            output_dir=folder / "results",
        )
    )
    run_contrast(prepared_contrast)
    contrast = FinishedContrast.open(folder / RUN_FOLDERS["contrast"])
    find_stability(contrast, StabilityRequest(k=3, n_resamples=5, positions=("edit",)))
    write_intervention(contrast)


def _write_gguf(model: Path, file: Path) -> None:
    """The checkpoint as llama.cpp would keep it, in float32."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    tokenizer = byte_tokenizer()
    tokens = [*tokenizer.convert_ids_to_tokens(range(len(tokenizer))), "ab"]
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token == "<bos>" else 1 for token in tokens])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(tokens.index("<bos>"))
    outside = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    for name, tensor in load_file(model / "model.safetensors").items():
        module = name.removesuffix(".weight")
        if module not in outside:
            _, _, layer, inside = module.split(".", 3)
            module = f"blk.{layer}.{_GGUF_NAMES[inside]}"
        writer.add_tensor(f"{outside.get(module, module)}.weight", tensor.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
