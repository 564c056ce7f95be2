"""What a check found, whatever the plugin raised."""

from __future__ import annotations

from typing import Any

import pytest

from invbench.testing.findings import Fault, NotApplicable, claimed, expect, judge


def raising(error: BaseException) -> Any:
    def check(subject: Any) -> str:
        raise error

    return check


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (Fault("broken law"), "fail", "broken law"),
        (NotApplicable("of no use"), "n/a", "of no use"),
        (SystemExit(3), "fail", "expected no exception; got SystemExit: 3; 'pytest"),
        (ValueError("two\nlines"), "fail", "expected no exception; got ValueError: two lines; 'pytest"),
    ],
)
def test_whatever_a_check_raises_is_a_finding(error: BaseException, status: str, sentence: str) -> None:
    found = judge("law", raising(error), lambda: None)
    assert (found.check, found.status) == ("law", status)
    assert found.sentence.startswith(sentence)


def test_what_cannot_be_made_is_a_fault_and_an_interrupt_passes() -> None:
    assert judge("law", lambda _: "holds", lambda: 1 / 0).status == "fail"
    assert judge("law", lambda subject: f"holds of {subject}", lambda: 2).sentence == "holds of 2"
    with pytest.raises(KeyboardInterrupt):
        judge("law", raising(KeyboardInterrupt()), lambda: None)


def test_a_law_that_holds_says_nothing_and_a_precision_that_is_not_claimed_why() -> None:
    expect(True, "no")
    with pytest.raises(Fault, match="^no$"):
        expect(False, "no")
    single = type("Single", (), {"precisions": ("float32",)})
    claimed(single, "float32")
    with pytest.raises(NotApplicable, match="claims float32 alone"):
        claimed(single, "bfloat16")
