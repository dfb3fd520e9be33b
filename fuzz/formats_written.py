"""Cases of what is written on the command line: layer paths, families, and options of every command."""

from __future__ import annotations

import functools
from pathlib import Path

import yaml

from fuzz.case import Case, Maker
from fuzz.formats_data import finished_sweep
from fuzz.formats_runs import RUN_FOLDERS
from fuzz.hostile import NUMBERS, OPTION_WORDS
from layerscope.paths.formats.registry import format_named, read_path_file

_PATHS = ("0-2", "0,2", "none", "2,1,0", "0,0,1", "0,(1|2)", "0.attn,1.mlp,2", "0-1,(0.attn|2.mlp)", "1", "0,1.h1,2", "0.h0")
_FAMILIES = (
    "removal", "exchange", "block-removal:2", "reversal:0-2", "repetition", "shuffle:7", "parallel:2", "attention-removal",
    "mlp-removal", "head-removal:1", "head-removal:0-2", "removal,exchange",
)  # fmt: skip
_ALPHABET = "0123456789,-.|()attnmlp none:"

_PATH_FILES = {
    "layerscope": "# best of 24\n0-1,3\n",
    "sleb": "Model Name: model\n# Total Blocks: 4\nBlock Removal Order: [2, 1]\nWikiText-2 PPL = 9.1\n",
    "evopress": "none\nattn+mlp\nnone\nattn+mlp\n",
    "llm-drop": '{"model_type": "llama", "num_hidden_layers": 4, "drop_attn_list": [1, 2], "drop_mlp_list": [1]}',
    "rys": "blocks:1,3;0,2\n",
    "mergekit": "slices:\n- sources:\n  - {model: m, layer_range: [0, 2]}\n- sources:\n  - model: m\n    layer_range: [3, 4]\n"
    "    parameters: {scale: [{value: 1.0}]}\nmerge_method: passthrough\ndtype: bfloat16\n",
}
_SWEEP, _CONTRAST, _PAIRS = {"run": RUN_FOLDERS["sweep"]}, {"run": RUN_FOLDERS["contrast"]}, {"pairs.jsonl": "pairs.jsonl"}
COMMANDS: tuple[tuple[str, dict[str, str]], ...] = (
    ("sweep --model {model} --dataset texts.txt --experiment removal --max-samples 3 --protocol lines --seed 1 --bos auto "
     "--dtype float32 --device cpu --batch-tokens 64 --output-dir out --figures none --dry-run", {}),
    ("sweep --model {model} --dataset texts.txt --path 0,2 --until-ci 0.5 --stream --stream-memory 1 --output-dir out "
     "--max-samples all --dry-run", {}),
    ("contrast --model {model} --pairs pairs.jsonl --sites resid_post --positions edit,last --prefix So --values 1 --bos auto "
     "--reference-dataset reference.txt --reference-tokens 100 --seed 1 --batch-tokens 64 --output-dir out --dry-run",
     {**_PAIRS, "reference.txt": "reference.txt"}),
    ("words run --variant removal-1 --tag NOUN --top 3 --frequency 1 --output words.csv", _SWEEP),
    ("compare run other --family removal --measure delta --axis layer --unit nats --anyway --output-dir out --figures none",
     {**_SWEEP, "other": RUN_FOLDERS["sweep"]}),
    ("report run --output page.html --language en --force", _SWEEP),
    ("figures run --language en --format svg", _SWEEP),
    ("pos run --language en --figures none", _SWEEP),
    ("stability run --k 3 --resamples 3 --sites resid_post --positions edit --seed 1 --language en --figures none", _CONTRAST),
    ("intervene run --stable 2 --site resid_post --position edit --layer 1 --types all --sets 5 --max-pairs 4 --text-tokens 20 "
     "--seed 1 --device cpu --dtype float32 --figures none", _CONTRAST),
    ("export --model {model} --path 0,2 --dtype float32 --output-dir out --force", {}),
    ("export --model {model} --run run --drop 1 --output-dir out", _SWEEP),
    ("pairs make --source templates --per-type 2 --subtypes tense,subject --seed 1 -o out.jsonl", {}),
    ("pairs import table table.csv --column sentence1=good --column sentence2=bad --set type=grammar -o out.jsonl",
     {"table.csv": "table.csv"}),
    ("pairs check pairs.jsonl --tokenizer {model} --keep all -o out.jsonl", _PAIRS),
    ("pairs judge pairs.jsonl --model {model} --dtype float32 --show 3 -o out.jsonl", _PAIRS),
    ("pairs export pairs.jsonl -o out.json", _PAIRS),
    ("paths convert path.txt --from sleb --to mergekit --model {model} --output out.yaml", {"path.txt": "sleb.txt"}),
    ("paths convert --path 0,2 --layers 3 --to evopress", {}),
    ("models", {}),
    ("datasets", {}),
)  # fmt: skip
"""Command lines, and what they read: its name in the case's folder, and the seed."""


def paths(make: Maker) -> Case:
    """A path in its written form, or a family's name."""
    asked = ("sweep", "--model", str(make.seeds / "model"), "--dataset", str(make.seeds / "texts.txt"), "--output-dir", "out")
    if make.chance(0.3):
        return Case((*asked, "--dry-run", f"--experiment={_written(make, make.chosen(*_FAMILIES))}"))
    path = _written(make, make.chosen(*_PATHS))
    what = make.rng.random()
    if what < 0.7:
        return Case((*asked, "--dry-run", f"--path={path}"))
    if what < 0.8:
        return Case((*asked, f"--path={path}", "--figures", "none"), ("out",), finished_sweep("out"))
    if not make.mutates:
        path = "0,2"  # a checkpoint holds no layers side by side
    return Case(("export", "--model", str(make.seeds / "model"), f"--path={path}", "--output-dir", "out"), ("out",), _recipe)


def path_files(make: Maker) -> Case:
    """A path in the format of another tool, through the command that converts them."""
    name, text = make.chosen(*_PATH_FILES.items())
    (make.folder / "path.txt").write_text(text, encoding="utf-8")
    if name == "llm-drop" and make.chance(0.6):
        make.in_json("path.txt")
    else:
        make.in_bytes("path.txt", "texts.jsonl")
    to = make.chosen("layerscope", "rys", "evopress", "llm-drop") if name != "rys" else make.chosen("layerscope", "rys")
    told = () if make.chance(0.7) else ("--from", name)
    arguments = ("paths", "convert", "path.txt", "--to", to, *told, "--layers", "4")
    return Case((*arguments, "--output", "out.txt"), ("out.txt",), functools.partial(_converted, to))


def options(make: Maker) -> Case:
    """A command whose options are hostile, missing, given twice or unknown."""
    case = _command(make)
    if not make.mutates:
        return case
    arguments = list(case.arguments)
    n_words = 2 if arguments[0] in ("pairs", "paths") else 1
    for _ in range(make.chosen(1, 1, 2, 3)):
        place = make.rng.randint(n_words, len(arguments)) if make.chance(0.95) else make.rng.randint(0, len(arguments))
        value = make.chosen(*OPTION_WORDS) if make.chance(0.5) else make.chosen(*NUMBERS)
        what = make.rng.random()
        if what < 0.6 and place < len(arguments):
            arguments[place] = make.text(arguments[place]) if make.chance(0.2) else value
        elif what < 0.75 and place < len(arguments):
            del arguments[place]
        elif what < 0.9:
            arguments.insert(place, value)
        else:
            arguments[place:place] = arguments[n_words : make.rng.randint(n_words, len(arguments))]
    arguments = [_within(argument) for argument in arguments]
    named = [argument for argument in arguments if ".." in argument]  # a place outside is written if it is asked for
    return Case(tuple(arguments), ("", *named), draws=False)


def _command(make: Maker) -> Case:
    """A short command line that holds, with its options spelt out."""
    written, files = make.chosen(*COMMANDS)
    make.copied("texts.txt")
    for name, source in files.items():
        make.copied(source, name)
    return Case(tuple(part.format(model=make.seeds / "model") for part in written.split()), ("",), draws=False)


def _within(argument: str) -> str:
    """Nothing outside of the case's folder is written: a path that is absolute by a mutation becomes relative."""
    return argument if not argument.startswith("/") or Path(argument).exists() else argument.lstrip("/")


def _written(make: Maker, text: str) -> str:
    if not make.mutates:
        return text
    what = make.rng.random()
    if what < 0.5:
        return make.text(text)
    if what < 0.8:
        return "".join(make.chosen(*_ALPHABET) for _ in range(make.rng.randint(0, 12)))
    return text.replace(make.chosen("0", "1", "2"), make.chosen(*NUMBERS, "99", "00", "١", "²"))


def _converted(to: str, folder: Path) -> None:
    """What was written is read again."""
    read_path_file(folder / "out.txt", form=format_named(to), n_layers=4)


def _recipe(folder: Path) -> None:
    """An export is whole, and its recipe is YAML that passes layers through."""
    assert (folder / "out" / "config.json").is_file()
    for recipe in (folder / "out").glob("*mergekit*"):
        assert yaml.safe_load(recipe.read_text(encoding="utf-8"))["merge_method"] == "passthrough"
