"""``layerscope models`` and ``layerscope datasets``: what can be named, and where each comes from."""

from __future__ import annotations

from rich.table import Table

from layerscope.cli.console import consoles, say
from layerscope.cli.saying import said


def models() -> None:
    """List the models known by name, where each comes from, and the folder of each that is converted."""
    from layerscope.builtin import BUILT_IN
    from layerscope.models.kept import kept

    folders = {model.name: folder for model in BUILT_IN.values() if (folder := kept(model.sha256)) is not None}
    rows = [
        (model.name, f"{model.description}. Licence: {model.licence}", "yes" if model.find() else f"no: {model.install}")
        for model in BUILT_IN.values()
    ]
    rows += [
        ("ORG/NAME", "any decoder-only model on the Hugging Face Hub, such as meta-llama/Meta-Llama-3-8B", "fetched"),
        ("DIRECTORY", "a local checkpoint: config.json, tokenizer, .safetensors", "-"),
        ("FILE.gguf", "a GGUF file, converted once into a cache of safetensors", "-"),
    ]
    table = Table(title="Models for --model", title_justify="left")
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("what it is")
    table.add_column("here", justify="center")
    is_json = said().form == "json"
    if is_json:  # in a terminal the folder stands below, whole, so that it can be copied
        table.add_column("folder")
    for name, *cells in rows:
        table.add_row(name, *cells, *([str(folders.get(name, "-"))] if is_json else []))
    _, out = consoles()
    out.print(table)
    for name, folder in folders.items():
        say(out, f"{name} is in {folder}")
    if folders:
        say(out, "Such a folder is a checkpoint: from_pretrained of transformers reads it.")


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
