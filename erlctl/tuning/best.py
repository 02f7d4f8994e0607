"""The best settings of a search as a spec of its own, to be run with fresh seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from erlctl.spec import canonical
from erlctl.tuning.study import Study

FRESH_SEEDS = 10
_OWN = ("schema", "name", "variant", "seed")


def best_spec(studies: Sequence[Study]) -> str:
    """Return the spec, with comments that say what stands behind it; "" where there is none yet.

    Its seeds are none of those that chose the settings: the best of many scores is too good.
    """
    found = {_label(study): study for study in studies if study.best is not None}
    if not found:
        return ""
    plains = {label: _settings(study) for label, study in found.items()}
    first = next(iter(found.values())).branch
    start = max(seed for study in studies for seed in study.branch.seeds) + 1
    head: dict[str, Any] = {
        "name": f"{first.base.name[:75]}-best", "seeds": f"{start}-{start + FRESH_SEEDS - 1}",
        "tuned": {label: len(study.ended) for label, study in found.items()},
    }
    if len(plains) == 1:
        body = next(iter(plains.values()))
    else:
        body, variants = _apart(plains)
        body["variants"] = variants
    comments = [
        "# The best settings that `erlctl tune` found, to be run with seeds that chose nothing:",
        "# the scores below are optimistic, because they are the best of many.",
        *(f"# {label}: {_sentence(study)}" for label, study in found.items()),
    ]
    return "\n".join(comments) + "\n" + canonical.yaml_text({**head, **body})


def _label(study: Study) -> str:
    """Return the name of the variant in the new spec: a single one is called by its algorithm."""
    if study.branch.is_only:
        return str(canonical.plain(study.branch.base)["agent"]["algorithm"])
    return re.sub(r"[^A-Za-z0-9._+-]", "-", study.branch.variant)[:80]


def _settings(study: Study) -> dict[str, Any]:
    assert study.best is not None
    plain = canonical.plain(study.branch.settings(study.best.params))
    return {key: value for key, value in plain.items() if key not in _OWN}


def _sentence(study: Study) -> str:
    best, section = study.best, study.branch.section
    assert best is not None
    seeds = ", ".join(map(str, study.branch.seeds))
    return (f"{section.statistic} of {section.objective} {best.value:.6g} over seeds {seeds}, "
            f"trial-{best.number:04d} of {len(study.ended)}")


def _apart(plains: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what all have in common, and what each has besides, section by section."""
    first = next(iter(plains.values()))
    common: dict[str, Any] = {}
    own: dict[str, dict[str, Any]] = {label: {} for label in plains}
    for section in first:
        shared = {key: value for key, value in first[section].items()
                  if all(_has(plain[section], key, value) for plain in plains.values())}
        if shared:
            common[section] = shared
        for label, plain in plains.items():
            rest = {key: value for key, value in plain[section].items() if key not in shared}
            if rest:
                own[label][section] = rest
    return common, own


def _has(section: Mapping[str, Any], key: str, value: Any) -> bool:
    return key in section and section[key] == value
