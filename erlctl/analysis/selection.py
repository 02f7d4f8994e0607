"""Which of the runs found are meant: by variant, and by what their specs say."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from erlctl.analysis import specs
from erlctl.analysis.data import Run
from erlctl.analysis.load import Loaded
from erlctl.analysis.numbers import natural
from erlctl.errors import DomainError, ErlctlError
from erlctl.spec.canonical import dump
from erlctl.spec.nodes import resolve
from erlctl.spec.schema import RunSpec

_MAX_NAMED = 20


@dataclass(frozen=True)
class Selection:
    """Conditions that a run must meet.

    Attributes:
        variants: Names or globs, any of which must match; none: all variants.
        conditions: Dotted path in the resolved spec and value there, all of which must hold.
    """

    variants: Sequence[str] = ()
    conditions: Sequence[tuple[str, Any]] = ()

    @classmethod
    def parse(cls, variants: Sequence[str], texts: Sequence[str]) -> Selection:
        """Return the selection of `--variant GLOB` and `--where PATH=VALUE`.

        Raises:
            DomainError: A text has another form.
        """
        conditions = []
        for text in texts:
            path, is_given, value = text.partition("=")
            if not path or not is_given:
                raise DomainError("--where", text, "PATH=VALUE, such as agent.temperature=0.03")
            conditions.append((path, resolve(value)))
        return cls(tuple(variants), tuple(conditions))

    def matches(self, run: Run) -> bool:
        """Whether a run meets all conditions; a run without a spec meets none about it."""
        return self._accepts(run.variant, run.spec_text if self.conditions else "")

    def _accepts(self, variant: str, spec_text: str) -> bool:
        is_named = not self.variants or any(
            fnmatch.fnmatchcase(variant, pattern) for pattern in self.variants
        )
        fields = specs.parse(spec_text) if self.conditions else {}
        return is_named and all(
            path in fields and _means(fields[path], value) for path, value in self.conditions
        )

    def of(self, loaded: Loaded) -> Loaded:
        """Return those of the runs that meet the conditions.

        Raises:
            ErlctlError: None does; the message names the variants that there are.
        """
        runs = [run for run in loaded.runs if self.matches(run)]
        if not runs:
            raise _nothing([run.variant for run in loaded.runs])
        return Loaded(runs, loaded.skipped)

    def of_specs(self, runs: Sequence[RunSpec]) -> list[RunSpec]:
        """Return those of the runs to be trained that meet the conditions.

        Raises:
            ErlctlError: None does; the message names the variants that there are.
        """
        accepted: dict[tuple[str, str], bool] = {}  # the seeds of a variant share the rest
        for run in runs:
            if (run.name, run.variant) not in accepted:
                accepted[run.name, run.variant] = self._accepts(run.variant, dump(run))
        chosen = [run for run in runs if accepted[run.name, run.variant]]
        if not chosen:
            raise _nothing([run.variant for run in runs])
        return chosen


def _nothing(variants: Sequence[str]) -> ErlctlError:
    names = sorted(set(variants), key=natural)
    more = f", ... ({len(names)} in all)" if len(names) > _MAX_NAMED else ""
    return ErlctlError(
        f"none of the {len(variants)} runs is selected by --variant and --where; "
        f"variants: {', '.join(names[:_MAX_NAMED])}{more}",
        fix="`erlctl compare` shows where the specs differ, `erlctl show RUN` shows one",
    )


def _means(found: object, value: object) -> bool:
    """1 and 1.0 are equal, true and 1 are not; lists are compared as they are written."""
    if isinstance(found, bool) or isinstance(value, bool):
        return found is value
    return found == value or specs.show(found).replace(" ", "") == str(value).replace(" ", "")
