"""Figures: what is in them, for one and many variants, with gaps; the same bytes every time."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from erlctl.analysis import terminal
from erlctl.analysis.comparison import compare
from erlctl.analysis.data import METRICS
from erlctl.analysis.figures import curves, diagnostics, profile, save, sensitivity, style, summary
from erlctl.analysis.grid import align, moving_average
from erlctl.analysis.load import load
from erlctl.analysis.references import REFERENCES
from erlctl.analysis.scores import Scoring
from erlctl.errors import ErlctlError, UnknownNameError
from tests.analysis import synthetic

KINDS = {
    "curves": lambda loaded: curves.curves(loaded.runs),
    "aggregate": lambda loaded: summary.aggregate(compare(loaded, Scoring())),
    "improvement": lambda loaded: summary.improvement(compare(loaded, Scoring())),
    "profile": lambda loaded: profile.profile(compare(loaded, Scoring())),
    "diagnostics": lambda loaded: diagnostics.diagnostics(loaded.runs),
}


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
    from matplotlib.text import Text

    return " ".join(found.get_text() for found in figure.findobj(Text))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(("num_variants", "num_seeds"), [(2, 1), (2, 5), (8, 3)])
def test_every_figure_is_drawn_and_names_every_variant(runs_dir, kind, num_variants, num_seeds):
    figure = KINDS[kind](family(runs_dir, num_variants, num_seeds))
    image = Image.open(io.BytesIO(save.render(figure, "png")))
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
    save.render(figure, "png")
    frame = figure.bbox
    for axis in figure.axes:
        if axis.get_visible():
            box = axis.get_tightbbox()
            assert min(box.x0 - frame.x0, frame.x1 - box.x1) >= -2
            assert min(box.y0 - frame.y0, frame.y1 - box.y1) >= -2
            for legend in figure.legends:
                assert not legend.get_window_extent().overlaps(axis.get_window_extent())


@pytest.mark.parametrize("file_format", save.FORMATS)
@pytest.mark.parametrize("kind", ["curves", "aggregate"])
def test_the_same_numbers_give_the_same_bytes(runs_dir, kind, file_format):
    loaded = family(runs_dir)
    first, second = (save.render(KINDS[kind](loaded), file_format) for _ in range(2))
    assert first == second


def test_svg_text_is_text_and_pdf_fonts_are_embedded(runs_dir):
    figure = curves.curves(family(runs_dir).runs)
    assert b">environment steps</text>" in save.render(figure, "svg")
    assert b"/FontFile2" in save.render(figure, "pdf")
    assert b"environment steps</text>" not in save.render(figure, "svg", text_as_shapes=True)


def test_axes_have_names_with_units_and_the_caption_explains_the_band(runs_dir):
    shown = texts(curves.curves(family(runs_dir).runs, METRICS["entropy"], smooth=3))
    for part in ("environment steps", "policy entropy (nats)", "95% interval over runs",
                 "moving average of 3 points"):
        assert part in shown
    assert "Not smoothed." in texts(curves.curves(load([runs_dir]).runs))


@pytest.mark.parametrize(("num_seeds", "num_lines"), [(1, 1), (2, 3), (4, 5), (5, 1)])
def test_below_five_runs_the_runs_are_drawn_and_below_three_there_is_no_band(
    runs_dir, num_seeds, num_lines
):
    figure = curves.curves(family(runs_dir, 1, num_seeds).runs)
    assert len(figure.axes[0].get_lines()) == num_lines
    assert ("No band below 3 runs." in texts(figure)) == (num_seeds < 3)
    assert ("95% interval" in texts(figure)) == (num_seeds >= 3)
    assert ("Student t" in texts(figure)) == (num_seeds in (3, 4))


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
    save.render(curves.curves(load([runs_dir]).runs), "png")


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


def test_twenty_variants_are_all_drawn_differently():
    pens = style.pens([str(i) for i in range(20)])
    assert len(set(pens.values())) == 20


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
    save.render(figure, "png")
    assert "0.01" in [tick.get_text() for tick in panel.get_xticklabels()]


def test_sensitivity_draws_one_line_per_setting_of_the_other_fields(runs_dir):
    for algorithm in ("dqn", "cvi"):
        for gamma in (0.5, 0.6):
            synthetic.write_group(runs_dir, f"{algorithm},g={gamma}", [1.0, 2.0, 3.0],
                                  extra=f", g: {gamma}")
    figure = sensitivity.sensitivity(load([runs_dir]).runs, "agent.g")
    assert "cvi" in texts(figure)
    assert "dqn" in texts(figure)
    assert figure.axes[0].get_xscale() == "linear"


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
        save.check_name(tmp_path / name)


def test_the_size_is_what_was_asked_for(runs_dir):
    figure = curves.curves(family(runs_dir).runs, size=(5.0, 3.0), style="slides")
    assert tuple(figure.get_size_inches()) == (5.0, 3.0)


def test_the_terminal_shows_curves_without_colours_by_letters(runs_dir):
    text = terminal.curves(family(runs_dir, 2, 3).runs, width=70, color=False)
    assert "\x1b" not in text
    assert "a variant_0 (n = 3)" in text
    assert all(len(line) <= 70 for line in text.splitlines())
    assert text.count("b") > 10


def test_the_terminal_shows_colours_on_request(runs_dir):
    assert "\x1b[" in terminal.curves(family(runs_dir, 1, 3).runs, width=70, color=True)
