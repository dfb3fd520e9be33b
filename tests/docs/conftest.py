"""What the tests of the documentation share: where it lies, and the generator that its pages go through."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "docs" / "hooks"))
