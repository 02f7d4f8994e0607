"""Figures at a size that was asked for: readable, or refused with a size that is enough."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from erlctl.analysis import labels
from erlctl.analysis.data import Run, in_memory
from erlctl.analysis.figures import curves, search
from erlctl.analysis.figures.figure import FORMATS, Figure
from erlctl.analysis.figures.fit import why_unreadable
from erlctl.errors import ErlctlError
from tests.analysis.test_figures import DRAW, family, source, texts

ROWS = ("aggregate", "improvement")  # of names


def refusal(draw, *size):
    with pytest.raises(ErlctlError, match=r"does not fit into") as caught:
        draw(size)
    return str(caught.value)


def advised(draw, width):
    """Return the height that a refusal names."""
    (height,) = re.findall(r"at least ([\d.]+)", refusal(draw, width, 1.0))
    return float(height)


@pytest.mark.parametrize(
    ("kind", "num_variants", "width"),
    [("curves", 8, 3.3), ("profile", 20, 7.0), ("aggregate", 2, 3.3), ("aggregate", 8, 7.0),
     ("improvement", 8, 3.3), ("diagnostics", 2, 3.3)])
def test_the_height_of_a_refusal_is_enough_and_nearly_the_least(
    runs_dir, kind, num_variants, width
):
    found = source(kind, family(runs_dir, num_variants, 5))

    def draw(size):
        return DRAW[kind](found, size=size)

    height = advised(draw, width)
    refusal(draw, width, height - 0.4)
    figure = draw((width, height))
    assert tuple(figure.get_size_inches()) == (width, height)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for file_format in FORMATS:
            figure.render(file_format)
    panels = [panel.get_window_extent() for panel in figure.axes]
    least = (0.3 if kind in ROWS else 0.6) * figure.dpi
    assert min(min(panel.width, panel.height) for panel in panels) > least
    every = [*figure.legends, *filter(None, (panel.get_legend() for panel in figure.axes))]
    for legend in every:
        assert not any(legend.get_window_extent().overlaps(panel) for panel in panels)


@pytest.mark.parametrize("kind", sorted(DRAW))
@pytest.mark.parametrize("num_variants", [2, 20])
@pytest.mark.parametrize("size", [None, (3.3, None)])
def test_figures_that_choose_their_height_are_readable(runs_dir, kind, num_variants, size):
    found = source(kind, family(runs_dir, num_variants, 3))
    assert why_unreadable(DRAW[kind](found, size=size)) is None


def test_where_no_height_helps_a_width_is_named_that_does(runs_dir):
    runs = family(runs_dir, 2, 3).runs
    own = {"variant_0": "a name of the user's own that is never cut, whatever the page is like"}

    def draw(size):
        return curves.curves(runs, labels=own, size=size)

    message = refusal(draw, 2.0, 3.0)
    assert "would be cut off" in message
    ((width, height),) = re.findall(r"for example ([\d.]+) x ([\d.]+)", message)
    assert own["variant_0"] in texts(draw((float(width), float(height))))


def blank(**ticks):
    figure = Figure(figsize=(4.0, 3.0), layout="constrained")
    panel = figure.subplots()
    panel.set(**ticks)
    return figure, panel


def test_what_hides_or_cuts_what_is_said():
    figure, _ = blank()
    assert why_unreadable(figure) is None
    figure, _ = blank(xticks=[0.1, 0.2], xticklabels=["first_name", "second_name"])
    assert why_unreadable(figure) == "'first_name' would lie over 'second_name'"
    figure, panel = blank()
    panel.plot([0, 1], label="x")
    panel.legend(loc="center")
    assert why_unreadable(figure) == "a legend would lie over a panel"
    figure, _ = blank(ylabel="a very long name " * 5)
    assert "would be cut off" in why_unreadable(figure)
    figure, _ = blank(xlabel="a\nname\nof\nmany\nlines\n" * 4)
    assert why_unreadable(figure) == "no room is left for the panels"
    figure, _ = blank(xlabel="a\nname\nof\nmany\n" * 3)
    assert re.fullmatch(r"a panel would be 0\.\d inches high", why_unreadable(figure))


def trial(number, **params):
    tuning = {"trial": number, "value": float(number), "params": params, "study": "search",
              "state": "complete", "log": ["agent.temperature"]}
    empty = in_memory(lambda: ({}, []))
    return Run(Path(str(number)), "erlctl", f"trial-{number}", "Garnet", empty, empty,
               seed=0, tuning=tuning)


@pytest.mark.parametrize("size", [None, (3.3, None), (7.0, None)])
def test_a_search_over_mappings_is_readable(size):
    choices = ["{type: gaussian, standard_deviation: 0.5}", "{type: none}"]
    runs = [trial(n, **{"agent.errors": choices[n % 2], "agent.temperature": 10.0 ** (n / 5 - 3)})
            for n in range(20)]
    figure = search.search(runs, size=size)
    assert why_unreadable(figure) is None
    assert {"gaussian,", "none", "agent.temperature"} <= set(texts(figure).split())


@pytest.mark.parametrize(
    ("names", "width", "expected"),
    [(["relu", "tanh"], 9, ["relu", "tanh"]),
     (["[64, 64]", "[64, 128]"], 9, ["[64, 64]", "[64, 128]"]),
     (["{type: gaussian, standard_deviation: 0.5}", "{type: none}"], 30,
      ["gaussian,\nstandard_deviation=0.5", "none"]),
     (["{type: gaussian, standard_deviation: 0.5}", "{type: none}"], 13,
      ["gaussian,\nstandard…=0.5", "none"]),
     (["{type: a, n: 1}", "{type: a, n: 2}"], 13, ["1", "2"]),
     (["{a: 1, b: 2}", "{a: 2, b: 1}"], 13, ["a=1, b=2", "a=2, b=1"])])
def test_choices_say_what_differs_in_lines_that_fit(names, width, expected):
    assert labels.choices(names, width) == expected


@pytest.mark.parametrize("width", [8, 11, 20])
def test_long_choices_stay_different_and_fit(width):
    names = [f"a_choice_with_a_long_name_{end}" for end in range(4)]
    shown = labels.choices(names, width)
    assert len(set(shown)) == 4
    assert max(len(line) for name in shown for line in name.split("\n")) <= width
