"""Figures: what is in them, for one and many variants, with gaps; the same bytes every time."""

from __future__ import annotations

import io
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from erlctl.analysis import labels, terminal
from erlctl.analysis.comparison import compare
from erlctl.analysis.data import METRICS, Run, in_memory
from erlctl.analysis.figures import (
    curves,
    diagnostics,
    limits,
    profile,
    sensitivity,
    style,
    summary,
)
from erlctl.analysis.figures.figure import FORMATS, check_name
from erlctl.analysis.grid import align, moving_average
from erlctl.analysis.load import Loaded, load
from erlctl.analysis.references import REFERENCES
from erlctl.analysis.scores import Scoring
from erlctl.errors import ErlctlError, UnknownNameError
from tests.analysis import synthetic

DRAW = {"curves": curves.curves, "diagnostics": diagnostics.diagnostics,
        "aggregate": summary.aggregate, "improvement": summary.improvement,
        "profile": profile.profile}


def source(kind, loaded):
    """Return what a figure is drawn from: runs or their comparison."""
    return loaded.runs if kind in ("curves", "diagnostics") else compare(loaded, Scoring())


KINDS = {kind: lambda loaded, kind=kind: DRAW[kind](source(kind, loaded)) for kind in DRAW}


def family(runs_dir, num_variants=2, num_seeds=5, environments=("CartPole-v1",), **options):
    generator = np.random.default_rng(0)
    for environment in environments:
        for variant in range(num_variants):
            finals = 100.0 + 20 * variant + 5 * generator.normal(size=num_seeds)
            synthetic.write_group(
                runs_dir, f"variant_{variant}", list(finals), name=f"x-{environment}",
                environment=environment, **options,
            )
    return load([runs_dir])


def texts(figure):
    """All texts; where a sentence was broken into lines does not matter."""
    return " ".join(lines(figure).split())


def lines(figure):
    from matplotlib.text import Text

    return "\n".join(found.get_text() for found in figure.findobj(Text))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(("num_variants", "num_seeds"), [(2, 1), (2, 5), (8, 3)])
def test_every_figure_is_drawn_and_names_every_variant(runs_dir, kind, num_variants, num_seeds):
    figure = KINDS[kind](family(runs_dir, num_variants, num_seeds))
    image = Image.open(io.BytesIO(figure.render("png")))
    assert min(image.size) > 200
    shown = texts(figure)
    for variant in range(num_variants):
        assert f"variant_{variant}" in shown
    assert f"n = {num_seeds} run" in shown


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_environments_are_panels(runs_dir, kind):
    figure = KINDS[kind](family(runs_dir, 2, 3, environments=("CartPole-v0", "CartPole-v1")))
    for environment in ("CartPole-v0", "CartPole-v1"):
        assert environment in texts(figure)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_lies_outside_the_figure_and_the_legend_hides_no_panel(runs_dir, kind):
    figure = KINDS[kind](family(runs_dir, 20, 3))
    figure.render("png")
    frame = figure.bbox
    for axis in figure.axes:
        if axis.get_visible():
            box = axis.get_tightbbox()
            assert min(box.x0 - frame.x0, frame.x1 - box.x1) >= -2
            assert min(box.y0 - frame.y0, frame.y1 - box.y1) >= -2
            for legend in figure.legends:
                assert not legend.get_window_extent().overlaps(axis.get_window_extent())
            for other in figure.axes:
                if other is not axis and other.get_legend():
                    box = other.get_legend().get_window_extent()
                    assert not box.overlaps(axis.get_window_extent())


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("kind", ["curves", "aggregate"])
def test_the_same_numbers_give_the_same_bytes(runs_dir, kind, file_format):
    loaded = family(runs_dir)
    first, second = (KINDS[kind](loaded).render(file_format) for _ in range(2))
    assert first == second


def test_svg_text_is_text_and_pdf_fonts_are_embedded(runs_dir):
    figure = curves.curves(family(runs_dir).runs)
    assert b">environment steps</text>" in figure.render("svg")
    assert b"/FontFile2" in figure.render("pdf")
    assert b"environment steps</text>" not in figure.render("svg", text_as_shapes=True)


def test_axes_have_names_with_units_and_the_caption_explains_the_band(runs_dir):
    shown = texts(curves.curves(family(runs_dir).runs, METRICS["entropy"], smooth=3))
    for part in ("environment steps", "policy entropy (nats)", "95% interval over runs",
                 "moving average of 3 points"):
        assert part in shown
    assert "Not smoothed." in texts(curves.curves(load([runs_dir]).runs))


def of_a_planner(paths):
    facts = json.loads(paths.run_json.read_text())
    paths.run_json.write_text(json.dumps({**facts, "step_unit": "iterations"}))


@pytest.mark.parametrize("kind", ["curves", "diagnostics", "terminal"])
def test_steps_of_planners_are_iterations(runs_dir, kind):
    of_a_planner(synthetic.write_run(runs_dir, variant="value_iteration"))
    draw = {"curves": lambda runs: texts(curves.curves(runs)), "terminal": terminal.curves,
            "diagnostics": lambda runs: texts(diagnostics.diagnostics(runs))}[kind]
    shown = draw(load([runs_dir]).runs)
    assert "iterations" in shown
    assert "environment steps" not in shown
    synthetic.write_run(runs_dir, variant="dqn")
    assert "iterations or environment steps" in draw(load([runs_dir]).runs)


def bands(panel):
    """Heights of the bands of a panel: all their corners, [corners] each."""
    return [path.vertices[:, 1] for band in panel.collections for path in band.get_paths()]


@pytest.mark.parametrize(
    ("band", "num_seeds", "num_lines", "num_bands"),
    [("auto", 1, 1, 0), ("auto", 2, 3, 0), ("auto", 4, 5, 0), ("auto", 5, 1, 1),
     ("always", 2, 1, 0), ("always", 4, 1, 1), ("none", 4, 1, 0), ("none", 5, 1, 0)])
def test_few_runs_are_drawn_themselves_in_place_of_a_band_and_the_caption_says_it(
    runs_dir, band, num_seeds, num_lines, num_bands
):
    figure = curves.curves(family(runs_dir, 1, num_seeds).runs, band=band)
    (panel,) = figure.axes
    assert (len(panel.get_lines()), len(bands(panel))) == (num_lines, num_bands)
    shown = texts(figure)
    assert ("95% interval" in shown) == (num_bands > 0)
    assert ("Student t" in shown) == (band == "always" and num_bands > 0)
    assert ("Faint lines: single runs." in shown) == (num_lines > 1)
    assert ("No bands: below" in shown) == (band != "none" and not num_bands)


@pytest.mark.parametrize("num_variants", [2, 10])
def test_the_caption_speaks_of_single_runs_only_where_they_are_drawn(runs_dir, num_variants):
    figure = curves.curves(family(runs_dir, num_variants, 3).runs)
    faint = [line for panel in figure.axes for line in panel.get_lines() if line.get_alpha()]
    assert len(faint) == 3 * num_variants
    assert "Faint lines: single runs." in texts(figure)


def full_height(runs_dir):
    """Four runs of CartPole between 0 and 500, so that Student's t reaches beyond both."""
    for seed, final in enumerate([500.0, 500.0, 100.0, 0.0]):
        synthetic.write_run(runs_dir, seed=seed, curve=np.linspace(0.0, final, 10))
    return load([runs_dir])


def test_no_band_and_no_axis_goes_beyond_possible_returns(runs_dir):
    figure = curves.curves(full_height(runs_dir).runs, band="always")
    (panel,) = figure.axes
    (corners,) = bands(panel)
    assert (corners.min(), corners.max()) == (0.0, 500.0)
    low, high = panel.get_ylim()
    assert -25 <= low < 0
    assert 500 < high <= 525
    assert "cut at the possible values" in texts(figure)


def test_whiskers_end_at_possible_returns_and_one_scale_serves_all_statistics(runs_dir):
    figure = summary.aggregate(compare(full_height(runs_dir), Scoring()))
    spans = [panel.get_xlim() for panel in figure.axes]
    assert len(spans) == 3
    assert len(set(spans)) == 1
    assert -25 <= spans[0][0] < 0
    assert 500 < spans[0][1] <= 525
    lines_in_first = [line.get_xdata() for line in figure.axes[0].get_lines()]
    whiskers = [x for x in lines_in_first if len(x) == 2]
    assert list(whiskers[0]) == [0.0, 500.0]
    assert "cut at the possible values" in texts(figure)


def test_what_was_measured_counts_more_than_what_is_thought_possible():
    assert limits.with_data((0.0, 500.0), np.array([-3.0, np.nan, 700.0])) == (-3.0, 700.0)
    assert limits.possible("CartPole-v1(x=1)", METRICS["return"]) == (0.0, 500.0)
    assert limits.possible("Unheard-v0", METRICS["return"]) == limits.ANY


def test_an_interval_far_beyond_the_runs_does_not_set_the_scale():
    low, high = limits.reaching(
        np.array([10.0, 20.0]), np.array([-1e6, 1e6]), np.array([10.0, 20.0]))
    assert 0 < low < 10
    assert 20 < high < 30


@pytest.mark.parametrize("kind", ["curves", "profile", "diagnostics"])
@pytest.mark.parametrize("num_variants", [7, 8, 20])
def test_no_panel_repeats_a_colour_and_every_variant_is_in_one_legend(runs_dir, kind, num_variants):
    figure = KINDS[kind](family(runs_dir, num_variants, 5))
    for panel in figure.axes:
        colors = [line.get_color() for line in panel.get_lines() if line.get_zorder() >= 2]
        assert len(colors) == len(set(colors)) <= len(style.COLORS)
    legends = [*figure.legends, *(panel.get_legend() for panel in figure.axes)]
    entries = [text.get_text() for legend in legends if legend for text in legend.get_texts()]
    assert sorted(entries) == sorted(f"variant_{i}" for i in range(num_variants))


def test_panels_of_one_environment_share_their_limits(runs_dir):
    figure = curves.curves(family(runs_dir, 20, 3).runs)
    assert len(figure.axes) == 3
    assert len({panel.get_ylim() for panel in figure.axes}) == 1
    assert "Grey: the variants of the other panels." in texts(figure)


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["dqn", "sac"], ["dqn", "sac"]),
     (["x/dqn", "x/sac"], ["dqn", "sac"]),
     (["m,agent.temperature=0.1", "m,agent.temperature=1"], ["temperature=0.1", "temperature=1"]),
     (["m", "m,t=1"], ["m", "m, t=1"]),
     (["agent.rate=1", "network.rate=1"], ["agent.rate=1", "network.rate=1"]),
     (["a/dqn,t=1", "b/dqn,t=1"], ["a/", "b/"])])
def test_labels_say_what_differs(names, expected):
    assert list(labels.labels(names).values()) == expected


@pytest.mark.parametrize("width", [3.3, 7.0])
def test_legends_of_several_parts_are_in_the_page_and_squeeze_no_panel(runs_dir, width):
    for algorithm in ("munchausen_dqn", "dqn"):
        for temperature in (0.001, 0.01, 0.03, 0.1):
            synthetic.write_run(runs_dir, variant=f"{algorithm},agent.temperature={temperature}")
    figure = diagnostics.diagnostics(load([runs_dir]).runs, size=(width, None))
    figure.draw_without_rendering()
    widths = [panel.get_window_extent().width for panel in figure.axes]
    assert min(widths) > 0.95 * max(widths)
    with_legend = [panel for panel in figure.axes if panel.get_legend()]
    assert len(with_legend) == 2
    for panel in with_legend:
        legend = panel.get_legend().get_window_extent()
        assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1
        assert legend.y1 <= figure.bbox.y1
        for other in figure.axes:
            assert not legend.overlaps(other.get_window_extent())
            if other not in with_legend:  # whose headings begin with the blank lines below it
                assert not legend.overlaps(other._left_title.get_window_extent())


def test_a_single_column_has_no_gaps_where_a_row_is_shorter(runs_dir):
    """With three runs there is no IQM, so environments have two panels and all together three."""
    names = ("CartPole-v1", "Acrobot-v1", "MountainCar-v0")
    comparison = compare(family(runs_dir, num_seeds=3, environments=names), Scoring())
    assert comparison.together.groups
    figure = summary.aggregate(comparison, size=(3.3, None))
    figure.draw_without_rendering()
    assert len(figure.axes) == 2 * len(names) + 3
    tops = [panel.get_window_extent().y1 for panel in figure.axes]
    apart = -np.diff(tops)
    assert max(apart) < 1.5 * min(apart)


def test_cut_labels_keep_names_and_values_and_lose_the_same_of_keys():
    names = [f"{name},agent.temperature={value}" for name in ("dqn", "munchausen_dqn")
             for value in (0.001, 0.03)]
    assert list(labels.labels(names, width=28).values()) == [
        "dqn, tempe…=0.001", "dqn, tempe…=0.03",
        "munchausen_dqn, tempe…=0.001", "munchausen_dqn, tempe…=0.03"]
    assert list(labels.labels(names, width=24).values())[2:] == [
        "munchausen…, temp…=0.001", "munchausen…, temp…=0.03"]


@pytest.mark.parametrize("width", [8, 12, 20])
def test_cut_names_fit_and_stay_different(width):
    names = [f"{start}_the_same_long_middle_part_{end}" for start in "ab" for end in range(9)]
    names += [f"{'x' * 30}{i}{'y' * 30}" for i in range(12)]
    short = labels.cut({name: name for name in names}, width)
    assert len(set(short.values())) == len(names)
    assert max(map(len, short.values())) <= width


def test_a_label_of_the_users_own_stays_whole_and_two_of_a_kind_are_refused():
    names = ["m,t=0.1", "m,t=1"]
    given = labels.parse(["m,t=0.1=ours = t", "t=1=b"], names)
    assert given == {"m,t=0.1": "ours = t", "m,t=1": "b"}
    assert labels.labels(names, {"m,t=1": "y" * 99})["m,t=1"] == "y" * 99
    with pytest.raises(ErlctlError, match="both be called 'x'"):
        labels.labels(names, dict.fromkeys(names, "x"))
    with pytest.raises(UnknownNameError):
        labels.parse(["m,t=0.2=x"], names)


def test_labels_are_used_in_every_kind(runs_dir):
    loaded = family(runs_dir)
    own = {"variant_0": "Base (ours)", "variant_1": "β = 3"}
    comparison = compare(loaded, Scoring())
    for figure in (
        curves.curves(loaded.runs, labels=own), diagnostics.diagnostics(loaded.runs, labels=own),
        summary.aggregate(comparison, labels=own), profile.profile(comparison, labels=own),
        summary.improvement(comparison, labels=own),
    ):
        assert set(own.values()) <= set(re.split(r"P\(| is better\)|\n", lines(figure)))
        assert "variant_" not in texts(figure)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_title_and_caption_can_be_left_out(runs_dir, kind):
    found, draw = source(kind, family(runs_dir)), DRAW[kind]
    usual, bare = draw(found), draw(found, title="", caption=False)
    assert "n = 5 runs" in texts(usual)
    assert usual.get_label() in texts(usual)
    assert "n = 5 runs" not in texts(bare)
    legend_titles = [legend.get_title().get_text() for legend in bare.legends]
    assert not any(legend_titles)
    assert bare.get_suptitle() == "" if hasattr(bare, "get_suptitle") else bare._suptitle is None
    with pytest.raises(TypeError, match="colour"):
        draw(found, colour="red")


def test_limits_of_axes_can_be_given(runs_dir):
    loaded = family(runs_dir, environments=("CartPole-v0", "CartPole-v1"))
    figure = curves.curves(loaded.runs, xlim=(0, 5000), ylim=(-10, 90))
    assert {panel.get_xlim() for panel in figure.axes} == {(0, 5000)}
    assert {panel.get_ylim() for panel in figure.axes} == {(-10, 90)}
    with pytest.raises(ErlctlError, match="no common unit"):
        diagnostics.diagnostics(loaded.runs, ylim=(0, 1))


def test_ticks_of_steps_have_one_unit(runs_dir):
    synthetic.write_run(runs_dir, curve=np.arange(8.0), every=1000)
    figure = curves.curves(load([runs_dir]).runs)
    figure.render("png")
    ticks = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert ticks[:3] == ["0", "2k", "4k"]


def test_a_notebook_shows_the_figure_without_pyplot(runs_dir):
    figure = curves.curves(family(runs_dir).runs, style="slides")
    image = Image.open(io.BytesIO(figure._repr_png_()))
    assert image.format == "PNG"
    assert image.size == tuple((figure.get_size_inches() * style.LOOKS["slides"].dpi).astype(int))
    assert figure._repr_png_() == figure.render("png")


def test_a_figure_saves_itself(runs_dir, tmp_path):
    curves.curves(family(runs_dir).runs).save(tmp_path / "x.pdf")
    assert (tmp_path / "x.pdf").read_bytes().startswith(b"%PDF")


def test_a_wide_page_belongs_to_the_plot(runs_dir):
    figure = curves.curves(family(runs_dir, 6, 5).runs, size=(8.0, 3.0))
    figure.render("png")
    (panel,) = figure.axes
    box = panel.get_position()
    assert box.width * box.height > 0.45


def test_diagnostics_leave_out_what_does_not_apply(runs_dir, monkeypatch):
    loaded = family(runs_dir, 2, 3)
    for run in loaded.runs:
        columns = dict(run.table("progress"))
        columns["clipped_fraction"] = np.zeros_like(columns["clipped_fraction"])
        del columns["kl_to_target"]
        columns["entropy"] = np.geomspace(1.0, 1e-16, len(columns["entropy"]))
        run._tables["progress", None] = columns, []
    figure = diagnostics.diagnostics(loaded.runs)
    assert len(figure.axes) == 4
    assert "Not recorded or always 0: KL to the target policy, clipped fraction." in texts(figure)
    (entropy,) = [panel for panel in figure.axes if "entropy" in panel.get_title(loc="left")]
    assert entropy.get_yscale() == "linear"


def test_too_few_runs_for_an_iqm_are_said_and_leave_no_empty_panel(runs_dir):
    figure = summary.aggregate(compare(family(runs_dir, 2, 3), Scoring()))
    assert len(figure.axes) == 2
    assert "No IQM: it needs 4 runs." in texts(figure)


def test_wall_time_is_an_x_axis(runs_dir):
    assert "training time (s)" in texts(curves.curves(family(runs_dir).runs, by_wall_time=True))


def test_single_seeds_are_drawn_on_request(runs_dir):
    runs = family(runs_dir, 1, 6).runs
    (panel,) = curves.curves(runs, show_seeds=True).axes
    assert len(panel.get_lines()) == 7
    assert len(curves.curves(runs).axes[0].get_lines()) == 1


def test_where_runs_end_the_number_of_runs_is_written(runs_dir):
    for seed in range(4):
        points = 10 if seed < 3 else 5
        synthetic.write_run(runs_dir, seed=seed, total_steps=10_000,
                            curve=synthetic.rising_curve(100, points=points))
    shown = texts(curves.curves(load([runs_dir]).runs))
    assert "n=4" in shown
    assert "n=3" in shown


def test_gaps_stay_gaps(runs_dir):
    curve = synthetic.rising_curve(100.0)
    curve[4:6] = np.nan
    curve[8] = np.inf
    for seed in range(3):
        synthetic.write_run(runs_dir, seed=seed, curve=curve)
    aligned = align(load([runs_dir]).runs, METRICS["return"])
    assert aligned.x.tolist() == [1000, 2000, 3000, 4000, 7000, 8000, 9000, 10_000]
    assert aligned.counts.tolist() == [3, 3, 3, 3, 3, 3, 0, 3]
    centre = aligned.centre("mean")
    assert np.isnan(centre[6])
    assert "Infinite values are left out" in texts(curves.curves(load([runs_dir]).runs))


def test_gaps_without_infinite_values_are_no_word_of_the_caption(runs_dir):
    curve = synthetic.rising_curve(100.0)
    curve[4] = np.nan
    synthetic.write_run(runs_dir, curve=curve)
    figure = curves.curves(load([runs_dir]).runs)
    figure.render("png")
    assert "Infinite" not in texts(figure)


def test_unequal_steps_are_interpolated_but_never_beyond_a_run(runs_dir):
    synthetic.write_run(runs_dir, seed=0, curve=np.arange(1.0, 11.0), every=1000)
    synthetic.write_run(runs_dir, seed=1, curve=np.arange(1.0, 8.0), every=707)
    aligned = align(load([runs_dir]).runs, METRICS["return"])
    late = aligned.x > 7 * 707
    assert aligned.counts[late].max() == 1
    np.testing.assert_allclose(aligned.values[0][late], aligned.x[late] / 1000)


@pytest.mark.parametrize("points", [1, 2, 5])
def test_moving_average_is_trailing_and_leaves_out_gaps(points):
    values = np.array([1.0, 2.0, np.nan, 4.0, 8.0, 16.0])
    expected = [
        np.nan if np.isnan(value) else np.nanmean(values[max(0, i - points + 1) : i + 1])
        for i, value in enumerate(values)
    ]
    np.testing.assert_allclose(moving_average(values, points), expected)


def test_neighbouring_variants_differ_in_grey_too():
    pens = style.pens([str(i) for i in range(20)]).values()
    for first, second in itertools.pairwise(pens):
        assert first.dashes != second.dashes
        assert first.marker != second.marker


def test_sensitivity_takes_a_log_axis_where_factors_count(runs_dir):
    for temperature in (0.001, 0.01, 0.1):
        synthetic.write_group(runs_dir, f"cvi,temperature={temperature}", [1.0, 2.0, 3.0],
                              extra=f", temperature: {temperature}")
    figure = sensitivity.sensitivity(load([runs_dir]).runs)
    (panel,) = figure.axes
    assert panel.get_xscale() == "log"
    assert panel.get_xlabel() == "agent.temperature"
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["0.001", "0.01", "0.1"]
    assert list(panel.get_xticks()) == [0.001, 0.01, 0.1]
    dots = [line for line in panel.get_lines() if line.get_marker() == "."]
    assert sorted(y for line in dots for y in line.get_ydata()) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_sensitivity_draws_one_line_per_setting_of_the_other_fields(runs_dir):
    for algorithm in ("dqn", "cvi"):
        for gamma in (0.5, 0.6):
            synthetic.write_group(runs_dir, f"{algorithm},g={gamma}", [1.0, 2.0, 3.0],
                                  extra=f", g: {gamma}")
    figure = sensitivity.sensitivity(load([runs_dir]).runs, "agent.g")
    assert "cvi" in texts(figure)
    assert "dqn" in texts(figure)
    (panel,) = figure.axes
    assert panel.get_xscale() == "linear"
    middles = [line for line in panel.get_lines() if line.get_marker() != "."]
    x = [line.get_transform().transform((0.5, 1.0))[0] for line in middles]
    assert len(set(np.round(x))) == 2  # beside each other, not on top


def test_sensitivity_without_a_sweep_or_with_a_wrong_field_is_an_error(runs_dir):
    runs = family(runs_dir, 1, 3).runs
    with pytest.raises(ErlctlError, match="no field"):
        sensitivity.sensitivity(runs)
    synthetic.write_run(runs_dir, variant="other", extra=", alpha: 0.9")
    with pytest.raises(UnknownNameError, match=r"did you mean 'agent\.alpha'"):
        sensitivity.sensitivity(load([runs_dir]).runs, "agent.alfa")


def test_one_variant_has_no_pairs_to_draw(runs_dir):
    comparison = compare(family(runs_dir, 1, 3), Scoring())
    with pytest.raises(ErlctlError, match="no two variants"):
        summary.improvement(comparison)


def test_a_profile_falls_from_one_to_zero_and_its_band_never_vanishes():
    scores = np.arange(5.0)
    thresholds = np.array([-1.0, 1.5, 9.0])
    centre, low, high = profile.profile_interval([scores], thresholds)
    np.testing.assert_allclose(centre, [1.0, 0.6, 0.0])
    assert np.all(high - low > 0.1)


def test_all_environments_together_have_a_panel(runs_dir):
    loaded = family(runs_dir, 2, 3, environments=("CartPole-v0", "CartPole-v1"))
    assert {"CartPole-v0", "CartPole-v1"} <= set(REFERENCES)
    shown = texts(summary.aggregate(compare(loaded, Scoring())))
    assert "all 2: optimality gap" in shown


@pytest.mark.parametrize("name", ["x.jpg", "x", "x.png.txt"])
def test_a_file_name_of_another_format_is_an_error_with_a_remedy(tmp_path, name):
    with pytest.raises(ErlctlError, match=r"\.png, \.svg, \.pdf"):
        check_name(tmp_path / name)


def test_the_size_is_what_was_asked_for(runs_dir):
    figure = curves.curves(family(runs_dir).runs, size=(5.0, 4.0), style="slides")
    assert tuple(figure.get_size_inches()) == (5.0, 4.0)


def test_the_terminal_shows_curves_without_colours_by_letters(runs_dir):
    text = terminal.curves(family(runs_dir, 2, 3).runs, width=70, color=False)
    assert "\x1b" not in text
    assert "a variant_0 (n = 3)" in text
    assert all(len(line) <= 70 for line in text.splitlines())
    assert text.count("b") > 10


@pytest.mark.parametrize("color", [True, False])
def test_names_in_a_narrow_terminal_stay_different(runs_dir, color):
    for value in (0.01, 0.02):
        name = f"munchausen_dqn_with_a_long_name_{value}_of_its_own_too"
        synthetic.write_run(runs_dir, variant=name)
    drawn = terminal.curves(load([runs_dir]).runs, width=72, color=color)
    text = re.sub(r"\x1b\[[\d;]*m", "", drawn)
    names = set(re.findall(r"munch\S+ \(n = 1\)", text))
    assert len(names) == 2
    assert all(len(line) <= 72 for line in text.splitlines())


def test_the_terminal_shows_colours_on_request(runs_dir):
    assert "\x1b[" in terminal.curves(family(runs_dir, 1, 3).runs, width=70, color=True)


def _planned(variant, seed, losses, bounds=None):
    """A run that logged losses [k] against the optimum, and bounds on them."""
    columns = {"step": np.arange(1.0, len(losses) + 1), "suboptimality_sup": np.array(losses)}
    if bounds is not None:
        columns["bound"] = np.array(bounds)
    empty = in_memory(lambda: ({}, []))
    return Run(Path(variant), "erlctl", variant, "Garnet", empty, in_memory(lambda: (columns, [])),
               seed=seed)


def test_losses_are_drawn_on_a_logarithmic_axis_with_their_bounds_dashed():
    runs = [
        *(_planned("a", seed, [1.0, 0.1, 0.0], [100.0, 50.0, 25.0]) for seed in range(2)),
        *(_planned("b", seed, [1.0, 0.5, 0.02]) for seed in range(2)),
    ]
    figure = curves.curves(runs, METRICS["suboptimality_sup"])
    (panel,) = [axes for axes in figure.figure.axes if axes.lines]
    assert panel.get_yscale() == "log"
    dashed = [line for line in panel.lines if list(line.get_ydata()) == [100.0, 50.0, 25.0]]
    (of_a,) = [line for line in panel.lines if line.get_marker() != "None"
               and list(line.get_ydata()) == [1.0, 0.1, 0.0]]
    assert [line.get_color() for line in dashed] == [of_a.get_color()]
    assert dashed[0].get_linestyle() == "--"
    text = texts(figure)
    assert "Thin dashes" in text
    assert "Values of 0 lie below the axis." in text
    others = curves.curves(runs[2:], METRICS["suboptimality_sup"])
    assert "Thin dashes" not in texts(others)


def test_less_loss_is_better():
    runs = [_planned(name, seed, [1.0, last + seed / 1000])
            for name, last in (("a", 0.01), ("b", 0.5)) for seed in range(10)]
    comparison = compare(Loaded(runs, []), Scoring(metric=METRICS["suboptimality_sup"]))
    verdicts = [pair.verdict for block in comparison.blocks for pair in block.pairs]
    assert verdicts == ["better"]
