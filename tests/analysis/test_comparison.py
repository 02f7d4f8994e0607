"""Comparisons: what may be compared, who is better, what is never dropped."""

from __future__ import annotations

import numpy as np
import pytest

from erlctl.analysis import sentences
from erlctl.analysis.comparison import compare
from erlctl.analysis.data import METRICS
from erlctl.analysis.load import load
from erlctl.analysis.references import Reference, parse
from erlctl.analysis.scores import Scoring
from erlctl.errors import ErlctlError, UnknownNameError
from tests.analysis import synthetic

LOW, HIGH = [100.0, 110, 120, 130, 140], [300.0, 310, 320, 330, 340]


def compared(runs_dir, scoring=None, **options):
    return compare(load([runs_dir]), scoring or Scoring(), **options)


def said(comparison):
    return [
        sentences.verdict(pair, comparison.scoring)
        for block in comparison.blocks for pair in block.pairs
    ]


def test_a_clear_difference_is_said_in_one_sentence(runs_dir):
    synthetic.write_group(runs_dir, "dqn", LOW)
    synthetic.write_group(runs_dir, "munchausen_dqn", HIGH)
    (sentence,) = said(compared(runs_dir, baseline="dqn"))
    assert sentence == (
        "munchausen_dqn is better than dqn: probability of improvement 1.00 [0.64, 1.00], "
        "permutation p = 0.0079, n = 5 + 5."
    )


def test_the_baseline_may_be_the_better_one(runs_dir):
    synthetic.write_group(runs_dir, "dqn", HIGH)
    synthetic.write_group(runs_dir, "dpp", LOW)
    (sentence,) = said(compared(runs_dir, baseline="dqn"))
    assert sentence.startswith("dpp is worse than dqn: probability of improvement 0.00 [0.00, 0.3")


def test_without_a_baseline_the_best_is_compared_with_each_other_one(runs_dir):
    for variant, shift in (("a", 0), ("b", 500), ("c", 200)):
        synthetic.write_group(runs_dir, variant, [score + shift for score in LOW])
    pairs = compared(runs_dir).blocks[0].pairs
    assert [(pair.variant, pair.other) for pair in pairs] == [("b", "c"), ("b", "a")]


def test_no_clear_difference_says_how_many_more_seeds(runs_dir):
    synthetic.write_group(runs_dir, "a", [100.0, 200, 300, 400, 500])
    synthetic.write_group(runs_dir, "b", [150.0, 250, 350, 450, 480])
    (sentence,) = said(compared(runs_dir))
    assert sentence.startswith("no clear difference between b and a")
    assert "more seeds of each" in sentence


def test_three_runs_each_cannot_show_it_and_that_is_said(runs_dir):
    synthetic.write_group(runs_dir, "a", LOW[:3])
    synthetic.write_group(runs_dir, "b", HIGH[:3])
    comparison = compared(runs_dir)
    assert "even the clearest result gives p = 0.1" in said(comparison)[0]
    assert any("Student's t" in warning for warning in comparison.warnings)


@pytest.mark.parametrize("num_runs", [1, 2])
def test_too_few_runs_give_no_verdict(runs_dir, num_runs):
    synthetic.write_group(runs_dir, "a", LOW[:num_runs])
    synthetic.write_group(runs_dir, "b", HIGH[:num_runs])
    comparison = compared(runs_dir)
    assert said(comparison) == [
        f"b did better than a, but n = {num_runs} + {num_runs} is too few to say that it is no "
        "chance."
    ]
    assert not comparison.blocks[0].groups[0].intervals["mean"]


def test_p_values_are_corrected_for_what_was_tried_and_that_is_said(runs_dir):
    generator = np.random.default_rng(0)
    for position, variant in enumerate("abc"):
        synthetic.write_group(runs_dir, variant, [*(100 + 15 * position + generator.normal(
            scale=14, size=5))])
    chosen, named = compared(runs_dir), compared(runs_dir, baseline="a")
    alone = compare(load([runs_dir / "family" / "a", runs_dir / "family" / "c"]), Scoring())
    for comparison, words in ((chosen, "best of 3"), (named, "2 comparisons")):
        (pair,) = [p for p in comparison.blocks[0].pairs if {p.variant, p.other} == {"a", "c"}]
        assert pair.p_value >= alone.blocks[0].pairs[0].p_value
        assert f"({words})" in sentences.verdict(pair, Scoring())
    assert alone.blocks[0].pairs[0].correction == ""


def test_many_variants_get_a_heading_and_a_short_line_each(runs_dir):
    for position in range(6):
        synthetic.write_group(runs_dir, f"v{position}", [s + 20 * position**2 for s in LOW])
    for baseline, first in ((None, "v5 (probability of improvement, p corrected for best of 6):"),
                            ("v0", "the others against v0 (")):
        comparison = compared(runs_dir, baseline=baseline)
        heading, *lines = sentences.verdicts(comparison.blocks[0].pairs, comparison.scoring)
        assert heading.startswith(first)
        assert len(lines) == 5
        assert all(len(line) < 70 for line in lines)
    assert lines[0].startswith("  v5 is better: 1.00 [")


def test_the_verdict_is_the_same_in_every_place(runs_dir):
    import json

    from erlctl.analysis import render

    for environment in ("CartPole-v0", "CartPole-v1"):
        for variant, scores in (("a", LOW), ("b", HIGH), ("c", LOW)):
            synthetic.write_group(
                runs_dir, variant, scores, name=environment, environment=environment)
    comparison = compared(runs_dir)
    document = json.loads(render.as_json(comparison, render.Layout()))
    found = [*(p for b in document["blocks"] for p in b["pairs"]), *document["together"]["pairs"]]
    assert len(found) == 6
    texts = [show(comparison, render.Layout()).replace("\\", "") for show in (
        render.for_people, render.as_markdown, render.as_latex)]
    for pair in found:
        assert pair["verdict"] == ("better" if pair["p_value"] < 0.05 else "unclear") == "better"
        assert all(pair["sentence"] in text for text in texts)


def test_lost_runs_are_counted_listed_and_warned_of(runs_dir):
    synthetic.write_group(runs_dir, "dqn", LOW)
    synthetic.write_run(runs_dir, variant="dqn", seed=9, status="diverged", reason="loss is nan")
    comparison = compared(runs_dir)
    (group,) = comparison.blocks[0].groups
    assert (group.num_used, len(group.scores)) == (5, 6)
    assert any("flatter dqn" in warning for warning in comparison.warnings)


def test_different_environments_and_protocols_are_never_put_together(runs_dir):
    synthetic.write_group(runs_dir, "dqn", LOW, name="a")
    synthetic.write_group(runs_dir, "dqn", LOW, name="b", environment="Acrobot-v1")
    synthetic.write_group(runs_dir, "dpp", LOW, name="c", episodes=7)
    comparison = compared(runs_dir)
    assert [(b.environment, b.protocol) for b in comparison.blocks] == [
        ("Acrobot-v1", "3 greedy episodes"), ("CartPole-v1", "3 greedy episodes"),
        ("CartPole-v1", "7 greedy episodes"),
    ]
    assert "not compared with each other" in comparison.warnings[0]


def test_force_puts_them_together_and_says_what_it_did(runs_dir):
    synthetic.write_group(runs_dir, "dqn", LOW, name="a")
    synthetic.write_group(runs_dir, "dpp", LOW, name="b", environment="Acrobot-v1")
    comparison = compared(runs_dir, force=True)
    assert len(comparison.blocks) == 1
    assert "not comparable" in comparison.warnings[0]


def test_different_amounts_of_training_are_compared_at_one_step_only(runs_dir):
    synthetic.write_run(runs_dir, variant="a", curve=np.arange(5.0))
    synthetic.write_run(runs_dir, variant="b", curve=np.arange(10.0))
    assert len(compared(runs_dir).blocks) == 2
    assert len(compared(runs_dir, Scoring(at=5000)).blocks) == 1


def test_less_is_better_for_wall_time(runs_dir):
    synthetic.write_group(runs_dir, "slow", LOW, seconds_per_step=0.01)
    synthetic.write_group(runs_dir, "fast", LOW, seconds_per_step=0.001)
    comparison = compared(runs_dir, Scoring(metric=METRICS["wall_seconds"]))
    assert comparison.blocks[0].groups[0].variant == "fast"
    assert said(comparison)[0].startswith("fast is better than slow: probability of improvement 1")


def test_entropy_is_higher_or_lower_but_not_better(runs_dir):
    synthetic.write_group(runs_dir, "a", LOW)
    synthetic.write_group(runs_dir, "b", LOW)
    for paths in (runs_dir / "family" / "b").glob("*/progress.csv"):
        header, *rows = paths.read_text().splitlines()
        column = header.split(",").index("entropy")
        fields = [row.split(",") for row in rows]
        for row in fields:
            row[column] = str(float(row[column]) + 5)
        paths.write_text("\n".join([header, *map(",".join, fields)]) + "\n")
    (sentence,) = said(compared(runs_dir, Scoring(metric=METRICS["entropy"])))
    assert sentence.startswith("final policy entropy (nats) of b is higher than that of a")


def test_runs_that_never_reach_a_threshold_are_ranked_not_averaged(runs_dir):
    synthetic.write_group(runs_dir, "a", LOW)
    synthetic.write_group(runs_dir, "b", HIGH)
    comparison = compared(runs_dir, Scoring(kind="steps", threshold=200.0))
    best = comparison.blocks[0].groups[0]
    assert best.variant == "b"
    assert "permutation of ranks" in said(comparison)[0]


def test_where_most_runs_never_reach_a_threshold_more_that_do_are_better(runs_dir):
    synthetic.write_group(runs_dir, "a", [50.0] * 5)
    synthetic.write_group(runs_dir, "b", [50.0] * 3 + [300.0] * 2)
    comparison = compared(runs_dir, Scoring(kind="steps", threshold=200.0))
    assert [group.variant for group in comparison.blocks[0].groups] == ["b", "a"]
    (pair,) = comparison.blocks[0].pairs
    assert pair.probability == pytest.approx((2 * 5 + 0.5 * 3 * 5) / 25)  # never and never: a tie


def test_steps_of_several_environments_ask_for_no_reference_that_would_do_nothing(runs_dir):
    for environment in ("One-v0", "Two-v0"):
        synthetic.write_group(runs_dir, "a", LOW, name=environment, environment=environment)
    together = compared(runs_dir, Scoring(kind="steps", threshold=50.0)).together
    assert together.remarks == ("Only returns are normalised, so there is no aggregate score.",)


def test_a_seed_that_occurs_twice_is_warned_of(runs_dir):
    synthetic.write_group(runs_dir / "one", "dqn", LOW)
    synthetic.write_group(runs_dir / "two", "dqn", LOW)
    comparison = compare(load([runs_dir / "one", runs_dir / "two"]), Scoring())
    assert any("occurs more than once" in warning for warning in comparison.warnings)


def test_runs_of_a_variant_with_different_specs_are_warned_of(runs_dir):
    synthetic.write_run(runs_dir, seed=0, extra=", epsilon: 0.1")
    synthetic.write_run(runs_dir, seed=1, extra=", epsilon: 0.2")
    assert "dqn: its runs differ in agent.epsilon." in compared(runs_dir).warnings


def test_the_same_variant_of_two_experiments_stays_two(runs_dir):
    synthetic.write_group(runs_dir, "dqn", LOW, name="old")
    synthetic.write_group(runs_dir, "dqn", HIGH, name="new")
    groups = compared(runs_dir).blocks[0].groups
    assert [group.variant for group in groups] == ["new/dqn", "old/dqn"]


def test_several_environments_are_put_together_by_normalised_scores(runs_dir):
    for environment, scale in (("CartPole-v1", 1.0), ("CartPole-v0", 0.4)):
        for variant, scores in (("dqn", LOW), ("dpp", HIGH)):
            synthetic.write_group(
                runs_dir, variant, [scale * score for score in scores], name=environment,
                environment=environment,
            )
    together = compared(runs_dir, baseline="dqn").together
    assert [group.variant for group in together.groups] == ["dpp", "dqn"]
    expected = np.mean([(320 - 22.1) / (475 - 22.1), (0.4 * 320 - 22.1) / (195 - 22.1)])
    assert together.groups[0].statistics["mean"] == pytest.approx(expected)
    (pair,) = together.pairs
    assert (pair.variant, pair.other) == ("dpp", "dqn")
    assert (pair.num_environments, pair.probability) == (2, 1.0)


def test_an_environment_without_reference_scores_is_named(runs_dir):
    for environment in ("CartPole-v1", "Mine-v0"):
        synthetic.write_group(runs_dir, "dqn", LOW, name=environment, environment=environment)
    assert "Mine-v0" in compared(runs_dir).together.remarks[0]
    given = compared(runs_dir, references=parse(["Mine-v0=0,100"], load([runs_dir]).runs))
    assert given.together.references["Mine-v0"] == Reference(0.0, 100.0, "given")


@pytest.mark.parametrize("text", ["", "x", "x=1", "x=1,1", "x=a,b", "=1,2", "x=1,2,3", "x=nan,1"])
def test_a_wrong_reference_is_an_error_with_a_remedy(text):
    with pytest.raises(ErlctlError, match="LOW,HIGH"):
        parse([text], [])


def test_an_unknown_baseline_names_the_variants(runs_dir):
    synthetic.write_group(runs_dir, "munchausen_dqn", LOW)
    with pytest.raises(UnknownNameError, match="did you mean 'munchausen_dqn'"):
        compared(runs_dir, baseline="munchhausen_dqn")


def test_no_run_at_all_is_an_error_that_says_what_was_found(tmp_path):
    (tmp_path / "notes").mkdir()
    with pytest.raises(ErlctlError, match="no run directory here"):
        compare(load([tmp_path]), Scoring())


def test_without_reference_scores_the_best_over_all_is_who_wins_most_often(runs_dir):
    for environment in ("Mine-v0", "Mine-v1"):
        for variant, scores in (("a", LOW), ("b", HIGH)):
            synthetic.write_group(
                runs_dir, variant, scores, name=environment, environment=environment)
    (pair,) = compared(runs_dir).together.pairs
    assert (pair.variant, pair.probability) == ("b", 1.0)


def test_the_seeds_that_a_given_difference_needs_are_said(runs_dir):
    synthetic.write_group(runs_dir, "a", LOW)
    synthetic.write_group(runs_dir, "b", HIGH)
    (small,) = said(compared(runs_dir, difference=5.0))
    assert "A true difference of 5.00 would need about" in small
    (large,) = said(compared(runs_dir, difference=100.0))
    assert "enough to show a true difference of 100.0" in large


def test_four_runs_of_three_variants_can_show_a_separation(runs_dir):
    for variant, shift in (("a", 0), ("b", 500), ("c", 200)):
        synthetic.write_group(runs_dir, variant, [score + shift for score in LOW[:4]])
    pairs = compared(runs_dir).blocks[0].pairs
    assert [pair.smallest_p for pair in pairs] == pytest.approx([2 / 70] * 2)
    assert [pair.verdict for pair in pairs] == ["better", "better"]


@pytest.mark.parametrize(
    ("finals", "expected"),
    [(HIGH, "b is better than a over 2 environments: mean probability of improvement 1.00 [0."),
     (LOW, "no clear difference between a and b over 2 environments: mean probability of impro")])
def test_the_verdict_over_several_environments_is_one_sentence(runs_dir, finals, expected):
    for environment in ("CartPole-v0", "CartPole-v1"):
        for variant, scores in (("a", LOW), ("b", finals)):
            synthetic.write_group(
                runs_dir, variant, scores, name=environment, environment=environment)
    comparison = compared(runs_dir)
    (pair,) = comparison.together.pairs
    assert sentences.overall(pair, comparison.scoring).startswith(expected)


def test_equal_runs_are_called_level(runs_dir):
    for variant in ("a", "b"):
        synthetic.write_group(runs_dir, variant, [5.0])
    assert said(compared(runs_dir))[0].startswith("a and b are equal, but n = 1 + 1")


def test_runs_that_a_callback_stopped_are_said_in_one_line(tmp_path):
    for seed, points in enumerate((4, 6, 10)):
        synthetic.write_run(tmp_path, variant="dqn", seed=seed, curve=np.arange(points) + seed,
                            total_steps=10_000)
        synthetic.write_run(tmp_path, variant="dpp", seed=seed, curve=np.arange(10.0) + seed)
    (line,) = (each for each in compared(tmp_path).warnings if "early" in each)
    assert line == ("CartPole-v1: stopped early by a callback: 2 of 3 runs of dqn (step "
                    "4,000-6,000) of 10,000 steps; scores of different steps are compared. "
                    "--at STEP compares at one step.")
    assert not any("early" in each for each in compared(tmp_path, Scoring(at=4_000)).warnings)
