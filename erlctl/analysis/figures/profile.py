"""Performance profiles: the fraction of runs above every score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from erlctl.analysis.bootstrap import CONFIDENCE
from erlctl.analysis.comparison import Comparison
from erlctl.analysis.figures import style as look_of
from erlctl.analysis.figures.fit import readable
from erlctl.analysis.figures.sheet import Page, new_sheet
from erlctl.analysis.intervals import MIN_RUNS_BOOTSTRAP, MIN_RUNS_INTERVAL
from erlctl.analysis.numbers import natural
from erlctl.analysis.statistics import Floats, performance_profile
from erlctl.errors import ErlctlError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from erlctl.analysis.figures.figure import Figure


@readable
def profile(
    comparison: Comparison, *, band: str = "auto", **page: Unpack[Page]
) -> Figure:
    """Draw the fraction of runs that score more than tau, one line per variant.

    Performance profiles as of Agarwal et al. 2021 (arXiv:2108.13264). Panels are environments;
    the last one puts all together where scores can be normalised.

    Args:
        comparison: From `comparison.compare`.
        band: "auto" (from five runs on), "always" (from three runs on), "none".
        **page: See `sheet.Page`.

    Raises:
        ErlctlError: No run has a score.
    """
    wanted = _panels(comparison)
    found = {variant for _, _, by_variant in wanted for variant in by_variant}
    variants = sorted(found, key=natural)
    parts = look_of.chunks(variants)
    least = {"auto": MIN_RUNS_BOOTSTRAP, "always": MIN_RUNS_INTERVAL}.get(band, math.inf)
    has_bands = False
    with new_sheet(page, variants) as sheet:
        blocks = sheet.grid(
            len(wanted), parts=[[sheet.labels[name] for name in part] for part in parts])
        for at, (name, label, by_variant) in enumerate(wanted):
            thresholds = _thresholds(by_variant)
            for block, part, handles in zip(blocks, parts, sheet.handles, strict=True):
                panel = block[at]
                for variant in (variant for variant in part if variant in by_variant):
                    strata_of = by_variant[variant]
                    has_band = min(map(len, strata_of)) >= least
                    has_bands |= has_band
                    handles[sheet.labels[variant]] = _line(
                        panel, strata_of, thresholds, sheet.pens[variant], has_band)
                sheet.heading(panel, name)
                panel.set_xlabel(label)
                panel.set_ylabel("runs above it")
                panel.set_ylim(-0.03, 1.03)
                panel.set_xlim(thresholds[0], thresholds[-1])
        counts = [
            sum(map(len, strata)) for _, _, by_variant in wanted for strata in by_variant.values()
        ]
        bands = " Bands: pointwise 95% score interval over runs." if has_bands else ""
        if not has_bands and band != "none":
            bands = f" No bands: below {least:.0f} runs."
        return sheet.finish(
            title="performance profiles", caption="Lines: fraction of runs whose score is above "
            f"each value; {look_of.runs(counts)} per line.{bands}")


def _panels(comparison: Comparison) -> list[tuple[str, str, dict[str, list[Floats]]]]:
    """Name, unit and scores by variant and environment of each panel."""
    wanted: list[tuple[str, str, dict[str, list[Floats]]]] = [
        (block.environment, comparison.scoring.unit_label,
         {group.variant: [group.values] for group in block.groups if group.num_used})
        for block in comparison.blocks if any(group.num_used for group in block.groups)
    ]
    if comparison.together and comparison.together.groups:
        strata = {group.variant: list(group.strata) for group in comparison.together.groups}
        wanted.append(("all environments", "normalised score", strata))
    if not wanted:
        raise ErlctlError("no run has a score", fix="`erlctl compare` says why")
    return wanted


def profile_interval(strata: Sequence[Floats], thresholds: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the mean over environments of the fraction above each threshold, and its interval.

    Per environment Wilson's score interval, which does not vanish at 0 and 1; environments are put
    together by the distances of the ends from the estimate (Zou and Donner 2008).
    """
    from scipy.special import ndtri

    z = float(ndtri((1 + CONFIDENCE) / 2))
    centre = np.zeros(thresholds.size)
    below, above = np.zeros(thresholds.size), np.zeros(thresholds.size)
    for scores in strata:
        share, num_runs = performance_profile(scores, thresholds), scores.size
        middle = (share + z**2 / (2 * num_runs)) / (1 + z**2 / num_runs)
        half = z / (1 + z**2 / num_runs) * np.sqrt(
            share * (1 - share) / num_runs + z**2 / (4 * num_runs**2))
        centre += share
        below += (share - (middle - half)) ** 2
        above += (middle + half - share) ** 2
    count = len(strata)
    return centre / count, (centre - np.sqrt(below)) / count, (centre + np.sqrt(above)) / count


def _thresholds(by_variant: dict[str, list[Floats]]) -> Floats:
    """Every score, just below it, and a margin at both ends: the steps of the profile."""
    scores = np.unique(np.concatenate([s for strata in by_variant.values() for s in strata]))
    scores = scores[np.isfinite(scores)]
    margin = 0.05 * (np.ptp(scores) or abs(scores[0]) or 1.0)
    return np.concatenate([[scores[0] - margin], scores, [scores[-1] + margin]])


def _line(
    panel: Any, strata: list[Floats], thresholds: Floats, pen: look_of.Pen, has_band: bool
) -> Any:
    centre, low, high = profile_interval(strata, thresholds)
    (line,) = panel.step(
        thresholds, centre, where="post", color=pen.color, linestyle=pen.dashes, marker=pen.marker,
        markevery=max(1, thresholds.size // 8), markeredgecolor="white", markeredgewidth=0.4,
    )
    if has_band:
        panel.fill_between(thresholds, np.clip(low, 0, 1), np.clip(high, 0, 1), step="post",
                           color=pen.color, alpha=0.12, linewidth=0)
    return line
