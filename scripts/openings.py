"""The first sentences of some news articles, a line each: for the demo, short enough for five minutes, enough for a test.

python -m scripts.openings results/openings.txt
"""

from __future__ import annotations

import sys
from pathlib import Path

from layerscope.corpora.catalogue import load_documents

N_TEXTS = 8
FEWEST_WORDS, MOST_WORDS = 18, 24


def openings() -> list[str]:
    """First sentences of the first articles of the Lee corpus whose length fits."""
    firsts = (document.text.split(". ")[0].strip() + "." for document in load_documents("lee", "lines"))
    return [first for first in firsts if FEWEST_WORDS <= len(first.split()) <= MOST_WORDS][:N_TEXTS]


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(openings()) + "\n", encoding="utf-8")
