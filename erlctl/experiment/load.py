"""From spec files to runs that can start, or to every mistake in all of them at once.

Three kinds of checks: what a file says by itself (`erlctl.spec`), what its environments accept, and
whether algorithm, network and environment go together. Nothing is written, no TensorFlow imported;
host environments are made by another process.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from erlctl import spec
from erlctl.environments import registry
from erlctl.environments.host import backends
from erlctl.environments.space import Spaces
from erlctl.errors import ErlctlError, Problem, SpecError, UnknownNameError
from erlctl.experiment import fit, presets, trust
from erlctl.experiment.resolve import read_keywords, resolve
from erlctl.spec.load import Check
from erlctl.spec.schema import EnvironmentSection, RunSpec
from erlctl.spec.source import InMemory

_Answers = Mapping[str, Spaces | str]


def load_all(
    paths: Sequence[str], overrides: Sequence[str] = (), seeds: str | None = None,
    trusted: Sequence[str] = (), check_run: Check | None = None,
) -> list[spec.Experiment]:
    """Return the experiment of each file, its runs resolved, with warnings.

    Args:
        paths: Spec files; `-` is standard input, `spec.source.InMemory` a text.
        overrides: Texts `PATH=VALUE` of `--set`, for every file.
        seeds: Text of `--seeds`, for every file.
        trusted: Modules that may be imported; an environment of any other is not looked at, which
            becomes a warning.
        check_run: What the command wants of a run besides: yields problems of it, resolved and
            named, as (dotted path, message).

    Raises:
        SpecError: Every mistake of every file, sorted by position.
    """
    drafts: list[spec.Draft] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            drafts.append(spec.Draft(path, overrides, seeds, resolve=resolve))
        except SpecError as error:
            problems.extend(error.problems)
    answers = _ask_host(drafts, trusted)
    experiments: list[spec.Experiment] = []
    for draft in drafts:
        draft.check("environment", lambda section: _environment_problems(section, answers))
        draft.check("", lambda run: fit.misfits(run, spaces_of(run.environment, answers)))
        if check_run is not None:
            draft.check_runs(check_run)
        try:
            experiments.append(_finished(draft, answers))
        except SpecError as error:
            problems.extend(error.problems)
    problems.extend(_shared_names(experiments))
    if problems:
        raise SpecError(_without_lines(problems, paths))
    return experiments


def _without_lines(problems: Sequence[Problem], paths: Sequence[str]) -> Iterator[Problem]:
    """Yield the problems; those of a text that no user has written name the field alone."""
    unseen = {str(path) for path in paths if isinstance(path, InMemory)}
    for problem in problems:
        is_unseen = problem.source in unseen
        yield dataclasses.replace(problem, line=0, column=0) if is_unseen else problem


def look_at(sections: Sequence[EnvironmentSection]) -> list[Spaces]:
    """Return the spaces of environments that the front door has let in, trusted ones.

    Raises:
        ErlctlError: A host environment cannot be made any more.
    """
    host = [section for section in sections if backends.resolve(section) != "compiled"]
    answers: _Answers = _made(host)
    found = []
    for section in sections:
        spaces = spaces_of(section, answers)
        if spaces is None:
            raise ErlctlError(f"environment {section.id}: {answers.get(_key(section))}")
        found.append(spaces)
    return found


def spaces_of(section: EnvironmentSection, answers: _Answers | None = None) -> Spaces | None:
    """Return the spaces of an environment, None where they are not known.

    Args:
        section: Which.
        answers: What making host environments has told.
    """
    if backends.resolve(section) != "compiled":
        answer = (answers or {}).get(_key(section))
        return answer if isinstance(answer, Spaces) else None
    try:
        entry = registry.find(section.id)
    except UnknownNameError:
        return None
    keywords, _ = read_keywords(section)
    return None if keywords is None else entry.spaces(keywords)


def _finished(draft: spec.Draft, answers: _Answers) -> spec.Experiment:
    experiment = draft.finish()
    texts = dict.fromkeys(experiment.warnings)
    for read in draft.read():
        run = cast(RunSpec, read)
        spaces = spaces_of(run.environment, answers)
        texts.update(dict.fromkeys(fit.warnings(run, spaces)))
        if spaces is None:
            texts[f"whether {run.environment.id} fits was not looked at, because making it runs "
                  f"code of {trust.module_of(run.environment)}: add --trust"] = None
    return dataclasses.replace(experiment, warnings=tuple(texts))


def _shared_names(experiments: Sequence[spec.Experiment]) -> Iterator[Problem]:
    """Yield a problem for each file that would write into the folder of another."""
    first_of: dict[str, spec.Experiment] = {}
    for experiment in experiments:
        first = first_of.setdefault(experiment.name, experiment)
        if first is not experiment:
            yield Problem(experiment.source, 0, 0, "name", (
                f"{experiment.name!r} is the name of {first.source} as well; list a file once, "
                "and give different experiments different names"))


def _ask_host(drafts: Sequence[spec.Draft], trusted: Sequence[str]) -> _Answers:
    """Return what each host environment is that may be made and has no other mistake."""
    sections = {}
    for draft in drafts:
        for read in draft.read("environment"):
            section = cast(EnvironmentSection, read)
            is_host = backends.resolve(section) != "compiled"
            if is_host and trust.is_trusted(section, trusted) and not any(
                backends.problems(section)
            ):
                sections[_key(section)] = section
    return _made(list(sections.values()))


def _made(sections: Sequence[EnvironmentSection]) -> dict[str, Spaces | str]:
    if not sections:
        return {}
    from erlctl.environments.host import probe

    return dict(zip(map(_key, sections), probe.ask(sections), strict=True))


def _key(section: EnvironmentSection) -> str:
    """Return a text that sections share if the same environment is made of them."""
    alone = dataclasses.replace(section, num_envs=1, vectorise="inline", step_timeout=1.0)
    return repr(spec.plain(alone))


def _environment_problems(
    section: EnvironmentSection, answers: _Answers
) -> Iterator[tuple[str, str]]:
    for path, problem in backends.problems(section):
        yield f"environment.{path}", problem
    answer = answers.get(_key(section))
    if isinstance(answer, str):
        hint = presets.elsewhere(section.id) if answer.startswith("unknown ") else ""
        yield "environment.id", f"{answer}; {hint}" if hint else answer
    if backends.resolve(section) != "compiled":
        return
    try:
        registry.find(section.id)
    except UnknownNameError as error:
        yield "environment.id", str(error)
        return
    keywords, problems = read_keywords(section)
    yield from problems
    if keywords is not None and keywords.time_limit is None:
        yield "environment.kwargs.time_limit", (
            f"{section.id} has no time limit then, so an evaluation might never end; give one, "
            "for example 1000"
        )

