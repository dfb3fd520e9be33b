"""``layerscope models`` and ``layerscope datasets``: what can be named, and where each comes from."""

from __future__ import annotations

from rich.table import Table

from layerscope.cli.console import consoles, say


def models() -> None:
    """List the models known by name, and where each comes from."""
    from layerscope.builtin import BUILT_IN

    table = Table(title="Models for --model", title_justify="left")
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("what it is")
    table.add_column("here", justify="center")
    for model in BUILT_IN.values():
        what = f"{model.description}. Licence: {model.licence}"
        table.add_row(model.name, what, "yes" if model.find() else f"no: {model.install}")
    table.add_row("ORG/NAME", "any decoder-only model on the Hugging Face Hub, such as meta-llama/Meta-Llama-3-8B", "fetched")
    table.add_row("DIRECTORY", "a local checkpoint: config.json, tokenizer, .safetensors", "-")
    table.add_row("FILE.gguf", "a GGUF file, converted once into a cache of safetensors", "-")
    _, out = consoles()
    out.print(table)


def datasets() -> None:
    """List the data sets known by name, and where each comes from."""
    from layerscope.corpora.catalogue import DATASETS
    from layerscope.corpora.files import READERS

    table = Table(title="Data sets for --dataset", title_justify="left")
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("what it is, and where it comes from")
    table.add_column("splits")
    for entry in DATASETS.values():
        splits = entry.hub.splits if entry.hub else (entry.default_split,)
        table.add_row(entry.name, entry.description, ", ".join(f"{s} *" if s == entry.default_split else s for s in splits))
    table.add_row("FILE", f"a local file: {', '.join(READERS)} (.jsonl and .parquet with a column 'text')", "-")
    _, out = consoles()
    out.print(table)
    say(out, "* is the split used when no --split is given.")
