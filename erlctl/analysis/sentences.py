"""Who is better, and how sure that is: one plain sentence per pair."""

from __future__ import annotations

from erlctl.analysis import numbers
from erlctl.analysis.aggregate import AggregatePair
from erlctl.analysis.groups import SIGNIFICANCE, Pair
from erlctl.analysis.scores import Scoring

_SENSIBLE_SEEDS = 1000


def verdict(pair: Pair, scoring: Scoring) -> str:
    """Return the sentence for a pair, with its evidence."""
    counts = f"n = {pair.num_runs[0]} + {pair.num_runs[1]}"
    if pair.verdict == "too few runs":
        who = _who_has_more(pair, scoring)
        return f"{who}, but {counts} is too few to say that it is no chance."
    return f"{_claim(pair, scoring)}: {_evidence(pair, scoring)}, {counts}.{_advice(pair)}"


def _who_has_more(pair: Pair, scoring: Scoring) -> str:
    if pair.difference == 0:
        return f"{pair.variant} and {pair.other} are equal"
    first, second = pair.variant, pair.other
    if pair.probability < 0.5:
        first, second = second, first
    if pair.probability == 0.5:
        return f"{first} and {second} are level"
    word = "did better than" if scoring.better else "is higher than"
    return f"{first} {word} {second}"


def _claim(pair: Pair, scoring: Scoring) -> str:
    if pair.verdict == "unclear":
        return f"no clear difference between {pair.variant} and {pair.other}"
    if scoring.better:
        return f"{pair.variant} is {pair.verdict} than {pair.other}"
    return f"{scoring.unit_label} of {pair.variant} is {pair.verdict} than that of {pair.other}"


def _evidence(pair: Pair, scoring: Scoring) -> str:
    name = "probability of improvement" if scoring.better else "probability of being higher"
    probability = numbers.share(pair.probability) + numbers.share_interval(pair.interval)
    test = "permutation" if pair.difference == pair.difference else "Mann-Whitney"
    return f"{name} {probability}, {test} {numbers.p_value(pair.p_value)} (Holm)"


def _advice(pair: Pair) -> str:
    """What to do about an answer that is not clear, or how many seeds a given difference needs."""
    if pair.asked is None and pair.verdict != "unclear":
        return ""
    if pair.asked is None and pair.smallest_p >= SIGNIFICANCE:
        return (
            f" So few runs cannot show it: even the clearest result gives "
            f"{numbers.p_value(pair.smallest_p)}."
        )
    seeds = pair.further_seeds
    if seeds is None or (pair.asked is None and not 0 < seeds <= _SENSIBLE_SEEDS):
        return ""
    size = numbers.number(abs(pair.difference if pair.asked is None else pair.asked))
    if seeds == 0:
        return f" These runs are enough to show a true difference of {size} (power 0.8)."
    return (
        f" A true difference of {size} would need about {seeds} more seed{'s' * (seeds != 1)} of "
        "each."
    )


def overall(pair: AggregatePair, scoring: Scoring) -> str:
    """Return the sentence for a pair over several environments."""
    improvement = "probability of improvement" if scoring.better else "probability of being higher"
    is_clear = pair.interval and not pair.interval.low <= 0.5 <= pair.interval.high
    more, less = ("better", "worse") if scoring.better else ("higher", "lower")
    if is_clear:
        word = more if pair.probability > 0.5 else less
        claim = f"{pair.variant} is {word} than {pair.other}"
    else:
        claim = f"no clear difference between {pair.variant} and {pair.other}"
    probability = numbers.share(pair.probability) + numbers.share_interval(pair.interval)
    where = f"over {pair.num_environments} environments"
    return f"{claim} {where}: mean {improvement} {probability}."
