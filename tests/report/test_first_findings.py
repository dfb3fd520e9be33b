"""The sentences at the top of the page: one of every run before a second of any, each with the state that it speaks of."""

from __future__ import annotations

from layerscope.bilingual import Bilingual
from layerscope.finding import MOST, Finding
from layerscope.report.first_findings import FoundOf, first_findings


def finding(number: int, *, is_warning: bool = False, **where: str) -> Finding:
    return Finding(Bilingual(f"Number {number}.", f"{number} 番。"), where, is_warning)


SWEEP = FoundOf(
    (
        finding(1, family="removal", variant="removal-3", layer="3"),
        finding(2, family="head-removal:2", variant="head-removal-2-1", layer="2"),
        finding(3, family="removal", tag="VERB", variant="removal-1", layer="1"),
        finding(4, family="removal", section="preference"),
        finding(5, is_warning=True),
    ),
    "sweep",
    "a · lee",
    "a",
    {"removal-3": "3", "removal-1": "1", "head-removal-2-1": "head-removal-2-1"},
)
CONTRAST = FoundOf((finding(6), finding(7, site="resid_post", position="edit+1")), "contrast", "a · pairs", "a", {})
SEARCH = FoundOf((finding(8),), "search", "b · lee", "b", {})


def test_of_one_run_every_finding_has_its_state_and_section() -> None:
    states = [(one["state"], one["at"]) for one in first_findings([SWEEP])]
    assert states == [
        ({"model": "a · lee", "family": "removal", "layer": "3"}, "sweep"),
        ({"model": "a · lee", "family": "head-removal:2", "layer": "head-removal-2-1"}, "sweep"),
        ({"model": "a · lee", "family": "removal", "tag": "VERB", "layer": "1"}, "pos"),
        ({"model": "a · lee", "family": "removal"}, "preference"),
        ({"model": "a · lee"}, "sweep"),
    ]
    assert first_findings([SWEEP])[0]["en"] == "Number 1.", "no name where there is one run"


def test_every_run_speaks_before_any_speaks_twice() -> None:
    found = first_findings([SWEEP, CONTRAST, SEARCH])
    assert [one["en"] for one in found] == ["a: Number 1.", "b: Number 8.", "a: Number 6.", "a: Number 2.", "a: Number 7."]
    assert found[2]["ja"] == "a：6 番。"
    assert found[4]["state"] == {"contrast": "a · pairs", "site": "resid_post", "position": "edit+1"}
    assert found[1]["state"] == {}
    assert found[1]["at"] == "search"
    assert first_findings([CONTRAST, SEARCH, SWEEP]) == found, "in the order of the page"


def test_warnings_come_after_all_findings() -> None:
    few = FoundOf((finding(9, is_warning=True),), "sweep", "c · lee", "c", {})
    assert [one["en"] for one in first_findings([few, CONTRAST])] == ["a: Number 6.", "a: Number 7.", "c: Number 9."]


def test_two_runs_of_one_model_are_told_apart_by_their_names() -> None:
    other = FoundOf(SWEEP.findings, "sweep", "a · wiki", "a", SWEEP.key_of)
    found = first_findings([SWEEP, other])
    assert [one["en"] for one in found[:2]] == ["a · lee: Number 1.", "a · wiki: Number 1."]
    assert len(found) == MOST
