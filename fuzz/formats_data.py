"""Cases of texts, pairs and tables: what commands read besides models and runs."""

from __future__ import annotations

from pathlib import Path

from fuzz.case import Case, Maker, strict_json

PROTOCOLS = ("lines", "lines", "documents", "windows:16", "strided:16/8")


def text(make: Maker) -> Case:
    """Plain text and WikiText's."""
    name = make.copied(make.chosen("texts.txt", "texts.raw"))
    make.in_bytes(name)
    return swept(make, name)


def json_lines(make: Maker) -> Case:
    """Records with a text."""
    name = make.copied("texts.jsonl")
    make.in_json_lines(name) if make.chance(0.6) else make.in_bytes(name, "blimp.jsonl")
    return swept(make, name)


def parquet(make: Maker) -> Case:
    """A table with a text a row."""
    name = make.copied("texts.parquet")
    make.in_parquet(name)
    return swept(make, name)


def conllu(make: Maker) -> Case:
    """Sentences of a treebank, as texts and as tags."""
    name = make.copied("sentences.conllu")
    make.in_bytes(name, "sentences.conllu")
    if make.chance(0.7):
        return swept(make, name)
    make.copied("results/removal/model_sentences_nall", "run")
    return Case(("pos", "run", "--gold", name, "--figures", "none"), ("run",), finished_sweep("run"))


def pairs(make: Maker) -> Case:
    """JSON Lines of ours, through each command that takes them."""
    name = make.copied("pairs.jsonl")
    make.in_json_lines(name) if make.chance(0.6) else make.in_bytes(name, "blimp.jsonl")
    model = str(make.seeds / "model")
    what = make.rng.random()
    if what < 0.5:
        keep = make.chosen("usable", "aligned", "all")
        return Case(
            ("pairs", "check", name, "--tokenizer", model, "--keep", keep, "-o", "out.jsonl"), ("out.jsonl",), our_pairs
        )
    if what < 0.8:
        return Case(("pairs", "export", name, "-o", "out.json"), ("out.json",), published_pairs)
    if what < 0.9:
        return Case(("pairs", "judge", name, "--model", model, "-o", "out.jsonl"), ("out.jsonl",), our_pairs)
    reference = ("--reference-dataset", str(make.seeds / "reference.txt"), "--reference-tokens", "100")
    begun = ("contrast", "--model", model, "--pairs", name, *reference, "--output-dir", "out", "--sites", "resid_post")
    return Case((*begun, "--dry-run")) if make.chance(0.8) else Case((*begun, "--positions", "edit"), ("out",))


def tables(make: Maker) -> Case:
    """Tables with named columns, of every suffix."""
    suffix = make.chosen("csv", "csv", "tsv", "json", "jsonl")
    name = make.copied(f"table.{suffix}")
    if suffix == "json" and make.chance(0.6):
        make.in_json(name)
    elif suffix == "jsonl" and make.chance(0.6):
        make.in_json_lines(name)
    else:
        make.in_bytes(name, make.chosen("table.csv", "table.tsv"))
    columns = ("--column", "sentence1=good", "--column", "sentence2=bad")
    return Case(("pairs", "import", "table", name, *columns, "-o", "out.jsonl"), ("out.jsonl",), our_pairs)


def other_pairs(make: Maker) -> Case:
    """BLiMP's records, and the published layout."""
    if make.chance(0.5):
        kind, name = "blimp", make.copied("blimp.jsonl")
        make.in_json_lines(name) if make.chance(0.6) else make.in_bytes(name, "pairs.jsonl")
    else:
        kind, name = "published", make.copied("published.json")
        make.in_json(name) if make.chance(0.7) else make.in_bytes(name, "table.json")
    return Case(("pairs", "import", kind, name, "-o", "out.jsonl"), ("out.jsonl",), our_pairs)


def ppl(make: Maker) -> Case:
    """The published ppl.json, laid over another."""
    make.copied("results/removal+exchange/model_texts_nall/ppl.json", "a.json")
    make.copied("results/removal+exchange/model_texts_nall/ppl.json", "b.json")
    make.in_json("a.json") if make.chance(0.8) else make.in_bytes("a.json", "published.json")
    experiment = make.chosen("removal", "exchange")
    arguments = ("--json_files", "a.json", "b.json", "--experiment", experiment, "--output_dir", "out")
    return Case(arguments, ("out",), entry="comparison_figures", draws=make.chance(0.1))


def swept(make: Maker, dataset: str) -> Case:
    """A sweep over a data set: planned, or run whole for one case in ten."""
    arguments = ["sweep", "--model", str(make.seeds / "model"), "--dataset", dataset, "--output-dir", "out"]
    arguments += ["--max-samples", make.chosen("2", "all"), "--protocol", make.chosen(*PROTOCOLS)]
    if not make.chance(0.1):
        return Case((*arguments, "--dry-run"))
    return Case((*arguments, "--path", "0,2", "--figures", "none"), ("out",), finished_sweep("out"))


def finished_sweep(below: str) -> object:
    """The check that every run below a folder is finished and opens."""

    def check(folder: Path) -> None:
        from layerscope.sweeps.finished import FinishedRun

        manifests = list((folder / below).rglob("manifest.json"))
        assert manifests, "a sweep that succeeded left no manifest"
        for manifest in manifests:
            strict_json(manifest)
            assert len(FinishedRun.open(manifest.parent).layers) > 0

    return check


def our_pairs(folder: Path) -> None:
    """Every line that was written can be read again."""
    from layerscope.pairs.format import read_pairs

    for _ in read_pairs(folder / "out.jsonl"):
        pass


def published_pairs(folder: Path) -> None:
    """What was exported can be imported."""
    from layerscope.pairs.importing import import_published

    strict_json(folder / "out.json")
    for _ in import_published(folder / "out.json"):
        pass
