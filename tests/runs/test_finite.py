from __future__ import annotations

import numpy as np
import pytest

from erlctl.errors import DivergedError
from erlctl.runs import finite


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named_by_its_group(bad):
    values = {
        "agent/weights/q/00": np.ones(3, np.float32),
        "agent/weights/q/01": np.array([1.0, bad], np.float32),
        "agent/weights/q/02": np.array(bad),
        "replay/reward": np.array([0.0, bad]),
        "replay/action": np.array([2**62]),
    }
    assert finite.not_finite(values) == ["agent/weights/q", "replay/reward"]
    with pytest.raises(DivergedError, match="agent/weights/q, replay/reward are not finite at st"):
        finite.check(values, 7)


def test_a_sum_that_overflows_is_no_divergence():
    large = np.full(100, np.finfo(np.float32).max)
    assert finite.not_finite({"preferences": large, "both": np.array([1e308, -1e308])}) == []


def test_nothing_to_look_at_is_finite():
    assert finite.not_finite({"empty": np.zeros(0, np.float32), "text": np.array(["x"])}) == []


def test_many_names_are_counted():
    assert finite.listed("abcdefg") == "a, b, c, d, e and 2 more are"
