"""From a spec file to its runs, or to every mistake in it at once."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast, get_args

from erlctl import registry
from erlctl.errors import Problem, SpecError
from erlctl.fields import Choice, Options
from erlctl.spec import extends, messages, search, sweep
from erlctl.spec.extends import parse_extended
from erlctl.spec.nodes import MapNode, ScalarNode, Where
from erlctl.spec.overrides import apply, parse_overrides
from erlctl.spec.parser import parse
from erlctl.spec.reader import FAILED, Reader, hints_of
from erlctl.spec.schema import Experiment, RunSpec, SearchSection
from erlctl.spec.seeds import read_seeds
from erlctl.spec.source import read_bytes, source_name

# What a file has beside the fields of a run.
SPANNING: Mapping[str, str] = MappingProxyType({
    extends.KEY: "Path of a spec file, relative to this one, of which this one changes something: "
    "sections are merged key by key.",
    "seeds": "Seeds of the runs: a number (10 = seeds 0 to 9), a list such as [0, 7, 8], or a text "
    "as 0-4,10.",
    "variants": "A variant of the runs for each label: a mapping from (dotted) paths to values.",
    "sweep": "A grid of variants: for each (dotted) path the list of its values.",
    "search": "What `erlctl tune` tries: space, trials, sampler, pruner, objective, statistic, "
    "seed.",
    "tuned": "For each variant, the number of trials of the search that chose its settings; "
    "`erlctl tune` writes it, `erlctl compare` tells it.",
})
OF_ONE_RUN = ("variant", "seed")
MAX_RUNS = 10_000
MAX_WARNINGS = 20
Check = Callable[[Any], Iterable[tuple[str, str]]]


class Draft:
    """A spec file that was read, mistakes and all; more checks can follow before it is used.

    Args:
        path: The file; `-` is standard input.
        overrides: Texts `PATH=VALUE` of `--set`, applied before anything is validated.
        seeds: Text of `--seeds`, replaces the file's seeds.
        resolve: Applied to each variant before it is named and repeated for the seeds.

    Raises:
        SpecError: The file is no YAML mapping, so that nothing else can be said about it.
    """

    def __init__(
        self, path: str | Path, overrides: Sequence[str] = (), seeds: str | None = None, *,
        resolve: Callable[[RunSpec], RunSpec] = lambda run: run,
    ) -> None:
        self._resolve = resolve
        self.source = source_name(path)
        self._problems = problems = list[Problem]()
        tree = parse_extended(path, problems)
        changes = parse_overrides(overrides, problems)
        tree = _with_seeds(apply(tree, changes, problems), seeds, problems)
        self._is_one_run = set(OF_ONE_RUN) <= set(tree.keys)
        tree = _known_keys(tree, problems, self._is_one_run)
        self._points = sweep.points(tree, problems)
        sweep.check_overrides(changes, self._points, problems)
        listed = tree.get("seeds")
        self._seeds = () if listed is None else read_seeds(listed, "seeds", problems)
        if (count := len(self._points) * len(self._seeds)) > MAX_RUNS:
            problems.append(
                tree.where.problem("", f"{count} runs are too many: at most {MAX_RUNS}"))
            self._seeds = ()
        base = tree.without(*SPANNING)
        self._search_node, self._tuned_node = tree.get("search"), tree.get("tuned")
        self._search = search.read(self._search_node, problems)
        self._readers = _read_variants(
            base if self._is_one_run else _as_one_run(base), self._points)

    def read(self, path: str = "") -> Iterator[Options]:
        """Yield what each variant has at `path`, "" for all of it, where it could be read."""
        for reader in self._readers:
            if path in reader.sections:
                yield reader.sections[path]

    def check(self, path: str, check: Check) -> None:
        """Add the problems, as (dotted path, message), that `check` finds in what `read` yields."""
        for reader in self._readers:
            if path in reader.sections:
                reader.check(check(reader.sections[path]))

    def check_runs(self, check: Check) -> None:
        """Add the problems that `check` finds in the runs of each variant that could be read."""
        for reader, runs in self._runs:
            for run in runs:
                reader.check(check(run))

    def finish(self) -> Experiment:
        """Return the experiment.

        Raises:
            SpecError: Every mistake, sorted by position; problems that only some variants have
                name those.
        """
        found = _FoundIn(self._points)
        for point, reader in zip(self._points, self._readers, strict=True):
            found.add(reader.problems, point)
        problems = [*self._problems, *found.problems()]
        specs = [cast(RunSpec, spec) for spec in self.read()]
        warnings = _warnings(specs)
        if self._search is not None and specs:
            problems += self._search_problems(self._search, specs)
            warnings += tuple(search.left_out(self._search, specs))
        if problems:
            raise SpecError(problems)
        runs = tuple(run for _, group in self._runs for run in group)
        tuned = search.read_tuned(self._tuned_node, (run.variant for run in runs), problems)
        if problems:
            raise SpecError(problems)
        return Experiment(name=runs[0].name, source=self.source, runs=runs, warnings=warnings,
                          search=self._search, tuned=tuned)

    @functools.cached_property
    def _runs(self) -> list[tuple[Reader, list[RunSpec]]]:
        """The runs of each variant that could be read, resolved and named."""
        read = [(point, reader, self._resolve(cast(RunSpec, reader.sections[""])))
                for point, reader in zip(self._points, self._readers, strict=True)
                if "" in reader.sections]
        names = ([run.variant for _, _, run in read] if self._is_one_run
                 else sweep.names([(point, run) for point, _, run in read]))
        return [
            (reader, [dataclasses.replace(run, variant=name, seed=seed)
                      for seed in self._seeds or (run.seed,)])
            for name, (_, reader, run) in zip(names, read, strict=True)
        ]

    def _search_problems(
        self, section: SearchSection, specs: Sequence[RunSpec]
    ) -> Iterator[Problem]:
        assert isinstance(self._search_node, MapNode)  # else it could not be read
        varied = {(c.key, c.path): None for p in self._points for c in (*p.labelled, *p.swept)}
        return search.check(section, self._search_node, specs, max(len(self._seeds), 1), varied)


def load(
    path: str | Path, overrides: Sequence[str] = (), seeds: str | None = None
) -> Experiment:
    """Return the experiment of a spec file as far as the spec alone can be checked.

    The resolved spec of one run (`spec.yaml` of a run directory) is an experiment of one run.
    Commands use `erlctl.experiment.load_all`, which knows environments as well.

    Raises:
        SpecError: Every mistake, sorted by position.
    """
    return Draft(path, overrides, seeds).finish()


def load_run(path: str | Path) -> RunSpec:
    """Return the run that a resolved spec (`spec.yaml` of a run directory) describes.

    Raises:
        SpecError: Every mistake, sorted by position.
    """
    return parse_run(read_bytes(path, is_regular=True), source_name(path))


def parse_run(data: bytes, source: str) -> RunSpec:
    """Return the run that the text of a resolved spec describes; `source` names it in messages.

    Raises:
        SpecError: Every mistake, sorted by position.
    """
    problems = list[Problem]()
    tree = parse(data, source, problems)
    reader = Reader(_elsewhere())
    run = reader.section(tree, RunSpec)
    if run is FAILED or problems or reader.problems:
        raise SpecError([*problems, *reader.problems])
    return run


def all_warnings(options: Options) -> Iterable[str]:
    """Yield the warnings of an object and of every section below it."""
    yield from options.warnings()
    for name in hints_of(type(options)):
        if isinstance(below := getattr(options, name), Options):
            yield from all_warnings(below)


def _known_keys(tree: MapNode, problems: list[Problem], is_one_run: bool) -> MapNode:
    """Return the tree without keys that no spec has; each becomes a problem."""
    hidden = ("variants", "sweep", "search", "tuned") if is_one_run else OF_ONE_RUN
    known = [key for key in (*messages.field_names(RunSpec), *SPANNING) if key not in hidden]
    unknown = [key for key in tree.keys.values() if key.text not in known]
    problems.extend(
        key.where.problem(key.text, messages.unknown_key(
            key.text, known, _elsewhere().get(key.text)))
        for key in unknown
    )
    return tree.without(*(key.text for key in unknown))


def _with_seeds(tree: MapNode, seeds: str | None, problems: list[Problem]) -> MapNode:
    if seeds is None:
        return tree
    where, given = Where("--seeds"), tree.get("seeds")
    if given is not None and given.where.source.startswith("--set"):
        problems.append(where.problem(
            "seeds", f"already set by {given.where.source}; remove one of them"))
    return tree.with_entry(ScalarNode(where, "seeds"), ScalarNode(where, seeds))


def _as_one_run(tree: MapNode) -> MapNode:
    """Return the tree with the two keys that a run has besides; the names come later."""
    for key, text in (("variant", "unnamed"), ("seed", "0")):
        tree = tree.with_entry(ScalarNode(tree.where, key), ScalarNode(tree.where, text))
    return tree


def _read_variants(tree: MapNode, points: Sequence[sweep.Point]) -> list[Reader]:
    """Return what was read of each variant, with its problems."""
    readers = []
    for point in points:
        reader = Reader(_elsewhere())
        try:
            reader.section(point.apply(tree), RunSpec)
        except SpecError as error:
            reader.problems = list(error.problems)
        readers.append(reader)
    return readers


class _FoundIn:
    """Collects the problems of all variants and says which of them have each.

    Mistakes at one place count as one, though their words may differ: a field that two algorithms
    do not have is reported once, for the first of them.
    """

    def __init__(self, points: Sequence[sweep.Point]) -> None:
        self._holders = Counter(place for point in points for place in point.places)
        self._total = len(points)
        self._found: dict[tuple[object, ...], tuple[Problem, list[sweep.Point]]] = {}

    def add(self, problems: Iterable[Problem], point: sweep.Point) -> None:
        """Add the problems of one variant."""
        same_place = Counter[tuple[Where, str]]()
        for problem in dict.fromkeys(problems):
            place = (_place(problem), problem.path)
            _, points = self._found.setdefault((*place, same_place[place]), (problem, []))
            same_place[place] += 1
            points.append(point)

    def problems(self) -> Iterator[Problem]:
        """Yield each problem once."""
        for problem, points in self._found.values():
            # A mistake in a variant's own value concerns the variants that hold the value.
            concerned = self._holders.get(_place(problem), self._total)
            note = "" if len(points) == concerned else _only_in(points, concerned)
            yield dataclasses.replace(problem, message=problem.message + note)


def _place(problem: Problem) -> Where:
    return Where(problem.source, problem.line, problem.column)


def _warnings(specs: Iterable[RunSpec]) -> tuple[str, ...]:
    texts = list(dict.fromkeys(text for spec in specs for text in all_warnings(spec)))
    more = len(texts) - MAX_WARNINGS
    return (*texts[:MAX_WARNINGS], f"and {more} more like these") if more > 0 else tuple(texts)


def _only_in(points: Sequence[sweep.Point], total: int) -> str:
    shown = " and ".join(map(str, points[:2]))
    more = f" and {len(points) - 2} more" if len(points) > 2 else ""
    return (f"; only in {len(points)} of {total} variants ({shown}{more}): what not all of them "
            "take belongs under `variants:`, not into the base")


@functools.cache
def _elsewhere() -> Mapping[str, str]:
    """Return where the fields of sections are, by name: `training.steps` for `steps`."""
    paths: dict[str, dict[str, None]] = {}
    for section, hint in hints_of(RunSpec).items():
        mark = next((part for part in get_args(hint) if isinstance(part, Choice)), None)
        classes = registry.all_of(mark.kind).values() if mark else (hint,)
        for cls in classes:
            if issubclass(cls, Options):
                for name in messages.field_names(cls):
                    paths.setdefault(name, {})[f"{section}.{name}"] = None
    return {name: " or ".join(found) for name, found in paths.items()}
