"""What came of a run: files of the cases at fault, faults by kind, and a table of formats."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from fuzz.formats import FORMATS
from fuzz.oracle import Outcome
from fuzz.running import Result

KEPT_OF_A_KIND = 2
"""Cases of one kind whose files are kept."""


def keep_files(keep: Path, result: Result, outcome: Outcome, room: Path) -> None:
    """Save the files of a case, for the first few of a kind."""
    kind = "".join(letter if letter.isalnum() else "-" for letter in (result.faults[0].kind if result.faults else "holds"))[:80]
    if len(list(keep.glob(f"{kind}.*"))) < KEPT_OF_A_KIND:
        place = keep / f"{kind}.{result.number}"
        shutil.copytree(room, place, dirs_exist_ok=True, symlinks=True)
        said = [result.command, outcome.stdout, outcome.stderr, *(f"{fault.kind}\n{fault.detail}" for fault in result.faults)]
        (place / "said.txt").write_text("\n---\n".join(said), encoding="utf-8", errors="backslashreplace")


def print_faults(results: Sequence[Result], seed: int) -> None:
    """Faults by kind: the commonest first, with how to see one of them again."""
    kinds: dict[str, list[tuple[Result, str]]] = defaultdict(list)
    for result in results:
        for fault in result.faults:
            kinds[fault.kind].append((result, fault.detail))
    for kind, cases in sorted(kinds.items(), key=lambda item: -len(item[1])):
        first, detail = cases[0]
        where = ", ".join(f"{name} {count}" for name, count in Counter(case.format for case, _ in cases).most_common())
        print(f"\n{len(cases)} × {kind}  [{where}]\n  {first.command[:400]}")
        for number in {case.format: case.number for case, _ in reversed(cases)}.values():
            print(f"  python -m fuzz --seed {seed} --case {number}")
        print("".join(f"  | {line[:200]}\n" for line in detail.strip().splitlines()[-3:]), end="")


def print_table(results: Sequence[Result], seconds: float, seed: int) -> None:
    """How many cases of each format were taken, refused, and at fault."""
    print(f"\n{'format':16}{'cases':>8}{'accepted':>10}{'refused':>9}{'failures':>10}{'seconds':>9}")
    for name in (*FORMATS, "all"):
        some = [result for result in results if name in ("all", result.format)]
        if not some:
            continue
        held = [result for result in some if not result.faults]
        accepted, refused = (sum(result.code == code for result in held) for code in (0, 2))
        spent = sum(result.seconds for result in some)
        print(f"{name:16}{len(some):>8,}{accepted:>10,}{refused:>9,}{len(some) - len(held):>10,}{spent:>9,.0f}")
    print(f"seed {seed}, {seconds:.0f} s")
