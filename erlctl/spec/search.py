"""The `search` and `tuned` sections: what `erlctl tune` may try, checked with the spec's reader.

Whether a path and the ends of its domain are allowed is asked of the reader: the spec is read with
each of them in its place, so that no rule about fields stands here a second time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from erlctl.errors import Problem, SpecError, nearest, unknown_name
from erlctl.spec import canonical
from erlctl.spec.nodes import ListNode, MapNode, Node, ScalarNode, Where
from erlctl.spec.overrides import apply, overlap, parse_overrides
from erlctl.spec.parser import parse
from erlctl.spec.reader import FAILED, Reader
from erlctl.spec.schema import RunSpec, SearchDomain, SearchSection

# What may differ between trials that one budget and one evaluation make comparable.
SECTIONS = ("agent", "network", "optimizer", "training")
FIXED = {
    "agent.algorithm": "write sweep: {agent.algorithm: [...]} beside search: every algorithm then "
    "has a search and a budget of its own",
    "training.steps": "it is the budget that all trials share",
    "training.initial_checkpoint": "trials must begin alike",
}
RUNG_FACTOR = 3  # of the steps from one decision of a pruner to the next
_MIN_RUNS_IQM = 4
_INNER = 0.381966  # between two ends, whole for neither: a float domain on a field of whole numbers


def read(node: Node | None, problems: list[Problem]) -> SearchSection | None:
    """Return the section; what can be read of one with mistakes, so that more can be checked."""
    if node is None:
        return None
    reader, prefix = Reader(), "search.space."
    section = reader.section(_with_text_choices(node), SearchSection, "search")
    problems.extend(reader.problems)
    if section is not FAILED:
        return section
    space = {path.removeprefix(prefix): domain for path, domain in reader.sections.items()
             if isinstance(domain, SearchDomain)}
    return SearchSection(space=space) if space else None


def read_tuned(node: Node | None, variants: Iterable[str], problems: list[Problem]
               ) -> Mapping[str, int]:
    """Return the number of trials behind each variant that `tuned` names."""
    if node is None:
        return {}
    if not isinstance(node, MapNode):
        problems.append(node.where.problem(
            "tuned", f"expected a mapping such as {{dqn: 30}} from variants to trials, got {node}"))
        return {}
    known, trials = set(variants), dict[str, int]()
    for key, value in node.entries:
        number = value.value if isinstance(value, ScalarNode) else None
        if key.text not in known:
            problems.append(key.where.problem(
                f"tuned.{key.text}", unknown_name("variant", key.text, known)))
        elif type(number) is not int or number < 1:
            problems.append(value.where.problem(
                f"tuned.{key.text}", f"expected a number of trials, got {value}"))
        else:
            trials[key.text] = number
    return trials


def space_of(run: RunSpec, section: SearchSection) -> dict[str, SearchDomain]:
    """Return the part of the space that a variant's spec has fields for."""
    known = _paths(canonical.plain(run))
    return {path: domain for path, domain in section.space.items() if path in known}


def with_values(run: RunSpec, values: Mapping[str, str], source: str = "trial") -> RunSpec:
    """Return a run with some fields set.

    Args:
        run: The run.
        values: Dotted path to the value, as YAML.
        source: Names the values in messages.

    Raises:
        SpecError: It is no valid spec then.
    """
    problems = list[Problem]()
    tree = parse(canonical.dump(run).encode(), source, problems)
    texts = [f"{path}={value}" for path, value in values.items()]
    tree = apply(tree, parse_overrides(texts, problems, source), problems)
    reader = Reader()
    made = reader.section(tree, RunSpec)
    if made is FAILED or problems or reader.problems:
        raise SpecError([*problems, *reader.problems])
    return made


def rungs(run: RunSpec, section: SearchSection) -> list[int]:
    """Return the steps at which trials are compared, the last is the end.

    A third of the steps, a ninth and so on, as far as there are evaluations; without a pruner the
    end alone.
    """
    steps, every = run.training.steps, run.evaluation.every
    found = [steps]
    least = every * (2 if section.objective == "area" else 1)
    part = steps // RUNG_FACTOR
    while section.pruner != "none" and part >= least:
        rounded = part // every * every
        if rounded % run.environment.num_envs == 0 and rounded < found[0]:
            found.insert(0, rounded)
        part //= RUNG_FACTOR
    return found


def check(
    section: SearchSection, node: MapNode, runs: Sequence[RunSpec], num_seeds: int,
    varied: Iterable[tuple[Where, str]],
) -> Iterator[Problem]:
    """Yield what is wrong with a search for the variants of a spec.

    Args:
        section: What was read.
        node: Where it was read from.
        runs: One run of each variant.
        num_seeds: Seeds of a trial.
        varied: Paths that variants set, with their places.
    """
    space = node.get("space")
    assert isinstance(space, MapNode)  # else it could not be read
    known = [_paths(canonical.plain(run)) for run in runs]
    for where, path in varied:
        for name in section.space:
            if overlap(path, name):
                yield where.problem(path, f"is searched as well ({name}); remove one of them")
    for name, domain in section.space.items():
        where, path = space.keys[name].where, f"search.space.{name}"
        allowed = {each for paths in known for each in paths if _is_searchable(each)}
        reason = FIXED.get(name)
        if reason is not None:
            yield where.problem(path, f"cannot be searched: {reason}")
        elif name not in set().union(*known):
            guess = nearest(name, allowed)
            yield where.problem(path, "no such field" + (
                f"; did you mean {guess!r}?" if guess else "; `erlctl fields` lists them"))
        elif name.partition(".")[0] not in SECTIONS:
            yield where.problem(path, "cannot be searched: it changes what is measured; fields of "
                                f"{', '.join(SECTIONS)} can")
        else:
            holders = [run for run, paths in zip(runs, known, strict=True) if name in paths]
            yield from _check_domain(name, domain, space.get(name), holders)
            if section.sampler == "cmaes" and domain.type == "categorical":
                yield where.problem(path, "sampler cmaes takes numbers alone; use tpe")
            if section.sampler == "grid" and domain.type == "float" and domain.step is None:
                yield where.problem(path, "sampler grid needs a step; or write choices")
    yield from _check_budget(section, node, runs, num_seeds)


def left_out(section: SearchSection, runs: Iterable[RunSpec]) -> Iterator[str]:
    """Yield a sentence for each path that a variant has no field for."""
    for run in runs:
        missing = sorted(set(section.space) - set(space_of(run, section)))
        if missing:
            name = canonical.plain(run)["agent"]["algorithm"]
            yield f"search: left out for {name}, which lacks the field: {', '.join(missing)}"


def _check_domain(
    name: str, domain: SearchDomain, node: Node | None, runs: Sequence[RunSpec]
) -> Iterator[Problem]:
    assert isinstance(node, MapNode)
    seen = set[str]()
    for run in runs:
        for key, where, text in _examples(domain, node):
            if key in seen:
                continue
            try:
                with_values(run, {name: text})
            except SpecError as error:
                seen.add(key)
                yield where.problem(f"search.space.{name}.{key}", error.problems[0].message)


def _examples(domain: SearchDomain, node: MapNode) -> Iterator[tuple[str, Where, str]]:
    """Yield (key, its place, a value as YAML) for what stands for the whole domain."""
    choices = node.get("choices")
    if isinstance(choices, ListNode):
        for index, (item, text) in enumerate(zip(choices.items, domain.choices, strict=True)):
            yield f"choices[{index}]", item.where, text
    if domain.low is None or domain.high is None:
        return
    is_int = domain.type == "int"
    for key, value in (("low", domain.low), ("high", domain.high)):
        child = node.get(key) or node
        yield key, child.where, str(int(value)) if is_int else canonical.scalar_text(value)
    if not is_int:
        inner = domain.low + (domain.step or _INNER * (domain.high - domain.low))
        yield "type", node.keys["type"].where, canonical.scalar_text(inner)


def _check_budget(
    section: SearchSection, node: MapNode, runs: Sequence[RunSpec], num_seeds: int
) -> Iterator[Problem]:
    def at(key: str, message: str) -> Problem:
        return (node.get(key) or node).where.problem(f"search.{key}", message)

    if section.statistic == "iqm" and num_seeds < _MIN_RUNS_IQM:
        yield at("statistic", f"iqm needs at least {_MIN_RUNS_IQM} seeds, there are {num_seeds}")
    for run in runs:
        steps, every = run.training.steps, run.evaluation.every
        if not space_of(run, section):
            name = canonical.plain(run)["agent"]["algorithm"]
            yield at("space", f"{name} has none of these fields; add one that it has")
        if section.sampler == "cmaes" and len(space_of(run, section)) < 2:
            yield at("sampler", "cmaes needs at least two fields; use tpe")
        if section.objective == "area" and steps < 2 * every:
            yield at("objective", f"area needs two evaluations: evaluation.every ({every}) is more "
                     f"than half of training.steps ({steps})")
        if section.pruner != "none":
            if len(rungs(run, section)) < 2:
                yield at("pruner", "nothing can be decided before the end: evaluation.every "
                         f"({every}) must be at most a third of training.steps ({steps}), a sixth "
                         "for objective area")
            if not run.checkpoint.replay:
                yield at("pruner", "trials that go on need checkpoint.replay: true")


def _is_searchable(path: str) -> bool:
    return path.partition(".")[0] in SECTIONS and path not in FIXED


def _with_text_choices(node: Node) -> Node:
    """Return the section with every choice as the text of its YAML: any value is a choice then."""
    if not isinstance(node, MapNode) or not isinstance(space := node.get("space"), MapNode):
        return node
    for key, domain in space.entries:
        if isinstance(domain, MapNode) and isinstance(found := domain.get("choices"), ListNode):
            texts = tuple(ScalarNode(i.where, shown(i), quoted=True) for i in found.items)
            mended = domain.with_entry(domain.keys["choices"],
                                       dataclasses.replace(found, items=texts))
            space = space.with_entry(key, mended)
    return node.with_entry(node.keys["space"], space)


def shown(node: Node) -> str:
    """Return a node as one line of YAML, equal for equal values."""
    if isinstance(node, ScalarNode):
        return canonical.scalar_text(node.value)
    if isinstance(node, ListNode):
        return f"[{', '.join(map(shown, node.items))}]"
    return f"{{{', '.join(f'{key.text}: {shown(value)}' for key, value in node.entries)}}}"


def _paths(plain: Mapping[str, Any]) -> set[str]:
    """Return the dotted paths of everything in nested mappings."""
    return {path for key, value in plain.items() for path in (
        key, *(f"{key}.{below}" for below in (_paths(value) if isinstance(value, dict) else ())))}
