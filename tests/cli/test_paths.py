"""``layerscope paths``: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from layerscope.cli.main import main
from tests.checkpoints import save_tiny_llama

SLEB = "# Total Blocks: 4\n# Remove Blocks: 1\nBlock Removal Order: [2]\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("sleb.txt").write_text(SLEB, encoding="utf-8")
    return tmp_path


def run(line: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    """Standard output and standard error."""
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    said = capsys.readouterr()
    assert ended.value.code == code, said.err
    return said.out, said.err


def refused(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path.cwd().iterdir())
    out, err = run(line, capsys, code=2)
    assert (out, err.count("\n")) == ("", 1)
    assert re.search(re.escape(message), err), err
    assert sorted(Path.cwd().iterdir()) == before


@pytest.mark.parametrize(
    ("to", "text"),
    [
        ("layerscope", "0-1,3\n"),
        ("evopress", "none\nnone\nattn+mlp\nnone\n"),
        ("llm-drop", '{"num_hidden_layers": 4, "drop_attn_list": [2], "drop_mlp_list": [2]}\n'),
        ("rys", "layers:0,1,3\n"),
    ],
)
def test_standard_output_is_the_file(to: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"paths convert sleb.txt --to {to}", capsys) == (text, "")
    out, _ = run(f"paths convert sleb.txt --to {to} --output new/file", capsys)
    assert out == f"0-1,3 of 4 layers, from sleb to {to}\nWritten: new/file\n"
    assert Path("new/file").read_text(encoding="utf-8") == text


def test_there_and_back(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["evopress", "llm-drop", "rys", "layerscope", "sleb"]
    at = "sleb.txt"
    for name in names:
        run(f"paths convert {at} --to {name} --layers 4 -o {name}", capsys)
        at = name
    assert Path("sleb").read_text(encoding="utf-8").endswith(SLEB)


def test_a_path_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("paths convert --path 0,2-3 --layers 4 --to evopress", capsys)[0] == "none\nattn+mlp\nnone\nnone\n"
    assert run("paths convert --path 0,2,1 --to rys", capsys)[0] == "layers:0,2,1\n"


def test_a_model_gives_its_layers_its_type_and_its_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_tiny_llama(folder / "tiny")
    Path("sleb.txt").write_text("[2, 0]", encoding="utf-8")
    recipe = yaml.safe_load(run("paths convert sleb.txt --model ./tiny --to mergekit", capsys)[0])
    assert recipe == {
        "slices": [{"sources": [{"model": "./tiny", "layer_range": bounds}]} for bounds in ([1, 2], [3, 4])],
        "merge_method": "passthrough",
        "dtype": "float32",
    }
    config = json.loads(run("paths convert --path 1,3 --model ./tiny --to llm-drop", capsys)[0])
    assert config["num_hidden_layers"] == 4
    Path("five.txt").write_text("Block Removal Order: [4]", encoding="utf-8")
    refused("paths convert five.txt --model ./tiny --to rys", "stays within the model's layers 0-3; got 4", capsys)


def test_several_paths(capsys: pytest.CaptureFixture[str]) -> None:
    Path("paths.txt").write_text("0-2\n1,0\n", encoding="utf-8")
    assert run("paths convert paths.txt --to rys", capsys)[0] == "layers:0,1,2\nlayers:1,0\n"
    refused("paths convert paths.txt --to mergekit", "A file of mergekit holds one path; got 2: convert each", capsys)


def test_none_of_evopress_or_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    Path("none.txt").write_text("none\n", encoding="utf-8")
    refused("paths convert none.txt --to sleb", "may be layerscope or evopress by what it holds: say which with --from", capsys)
    assert run("paths convert none.txt --from evopress --to layerscope", capsys)[0] == "0\n"
    assert run("paths convert none.txt --from layerscope --to layerscope", capsys)[0] == "none\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--to rys", "A conversion takes either a file or --path; got both or neither."),
        ("sleb.txt --path 0 --to rys", "either a file or --path; got both or neither."),
        ("--path 0 --from rys --to rys", "--path is in layerscope's own form; got --from rys: leave it out."),
        ("sleb.txt --layers 4 --model m --to rys", "from --layers or from --model; got both, 4 and 'm'."),
        ("sleb.txt --revision main --to rys", "--revision belongs to --model; got --revision main and no model: add --model."),
        ("sleb.txt --layers 5 --to rys", "'sleb.txt' is about a model of 4 layers, not of 5"),
        ("sleb.txt --layers 0 --to rys", "A model has 1 to 100,000 layers; got 0 for --layers"),
        ("sleb.txt --to ryss", "A format of paths is layerscope, sleb, evopress, llm-drop, rys, mergekit; got 'ryss'. Did"),
        ("sleb.txt --from mergekit --to rys", "'sleb.txt' does not: write the slices out."),
        ("sleb.txt --to mergekit", "names the model that it takes layers from; none is given: add --model."),
        ("--path 0,1.mlp --to mergekit --model no/model/here", "No such model file or directory: 'no/model/here'."),
        ("--path 0..1 --to rys", "A layer is written '10'"),
        ("--path 0,2,1 --layers 3 --to sleb", "'0,2,1' visits layer 1 after layer 2: write it as layerscope, rys or mergekit."),
        ("--path 0-2 --to evopress", "does not say how many layers the model has: add --layers or --model."),
        ("missing.txt --to rys", "'missing.txt' cannot be read (No such file or directory)"),
        ("sleb.txt --to rys --output .", "cannot be written (it is a folder): name a file."),
    ],
)  # fmt: skip
def test_what_is_refused_leaves_nothing(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused(f"paths convert {arguments}", message, capsys)


def test_half_a_layer_for_mergekit_leads_to_export(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_tiny_llama(folder / "tiny")
    refused(
        "paths convert --path 0,1.mlp --to mergekit --model ./tiny",
        "and only the weights tell which those are; '0,1.mlp' has 1.mlp: run layerscope export --path",
        capsys,
    )
    run("export --model ./tiny --path 0,1.mlp --output-dir out", capsys)
    assert run("paths convert out/mergekit.yaml --to evopress --layers 4", capsys)[0] == "none\nattn\nattn+mlp\nattn+mlp\n"


def test_without_a_model_torch_is_not_loaded() -> None:
    code = (
        "import sys\nfrom layerscope.cli.main import main\n"
        "try:\n    main(['paths', 'convert', 'sleb.txt', '--to', 'evopress'])\n"
        "except SystemExit as ended:\n    assert ended.code == 0\nassert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)
