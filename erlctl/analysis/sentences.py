"""Who is better, and how sure that is: a plain sentence per pair, a short line where many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from erlctl.analysis import numbers
from erlctl.analysis.aggregate import AggregatePair
from erlctl.analysis.groups import Pair
from erlctl.analysis.scores import Scoring
from erlctl.analysis.significance import SIGNIFICANCE

_SENSIBLE_SEEDS = 1000
_MANY_PAIRS = 4


def verdicts(pairs: Sequence[Pair], scoring: Scoring) -> list[str]:
    """Return what is said of the pairs of a block: a sentence each, or short lines for many."""
    if len(pairs) >= _MANY_PAIRS:
        counts = [f", n = {pair.num_runs[0]} + {pair.num_runs[1]}" for pair in pairs]
        return [*_short(pairs, scoring, counts)]
    return [verdict(pair, scoring) for pair in pairs]


def overalls(pairs: Sequence[AggregatePair], scoring: Scoring) -> list[str]:
    """Return what is said of the pairs over several environments, likewise."""
    if len(pairs) >= _MANY_PAIRS:
        return [*_short(pairs, scoring, [""] * len(pairs))]
    return [overall(pair, scoring) for pair in pairs]


def _short(
    pairs: Sequence[Pair | AggregatePair], scoring: Scoring, counts: Sequence[str]
) -> Iterator[str]:
    """One heading, then a line per pair that does not repeat it."""
    is_chosen = len({pair.variant for pair in pairs}) == 1
    subject = pairs[0].variant if is_chosen else f"the others against {pairs[0].other}"
    where = f", over {pairs[0].num_environments} environments" \
        if isinstance(pairs[0], AggregatePair) else ""
    yield f"{subject} ({_probability_name(scoring)}, p corrected for {pairs[0].correction}{where}):"
    for pair, count in zip(pairs, counts, strict=True):
        name = pair.other if is_chosen else pair.variant
        phrases = {"unclear": f"no clear difference to {name}",
                   "too few runs": f"too few runs to tell from {name}"}
        usual = f"{pair.verdict} than {name}" if is_chosen else f"{name} is {pair.verdict}"
        p = "" if pair.p_value != pair.p_value else f", {numbers.p_value(pair.p_value)}"
        yield f"  {phrases.get(pair.verdict, usual)}: {_probability(pair)}{p}{count}"


def _probability_name(scoring: Scoring) -> str:
    return "probability of improvement" if scoring.better else "probability of being higher"


def _probability(pair: Pair | AggregatePair) -> str:
    return numbers.share(pair.probability) + numbers.share_interval(pair.interval)


def _p_value(pair: Pair | AggregatePair) -> str:
    return numbers.p_value(pair.p_value) + (f" ({pair.correction})" if pair.correction else "")


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
    test = "permutation" if pair.difference == pair.difference else "permutation of ranks"
    return f"{_probability_name(scoring)} {_probability(pair)}, {test} {_p_value(pair)}"


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
    claims = {"unclear": f"no clear difference between {pair.variant} and {pair.other}",
              "too few runs": f"too few runs to tell {pair.variant} from {pair.other}"}
    claim = claims.get(pair.verdict, f"{pair.variant} is {pair.verdict} than {pair.other}")
    test = "" if pair.p_value != pair.p_value else f", permutation {_p_value(pair)}"
    return (f"{claim} over {pair.num_environments} environments: mean {_probability_name(scoring)} "
            f"{_probability(pair)}{test}.")
