"""What a reader must know before believing a comparison: plain sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from erlctl.analysis import specs
from erlctl.analysis.groups import Block, Group
from erlctl.analysis.intervals import MIN_RUNS_BOOTSTRAP, MIN_RUNS_INTERVAL

_LOST = ("diverged", "failed")
_GOOD_NUMBER = 10


def caveats(blocks: Sequence[Block], *, force: bool) -> list[str]:
    """Return the sentences that belong below a comparison, the gravest first."""
    sentences = [*_separate_blocks(blocks)]
    if force and blocks:
        sentences += _mixed(blocks[0])
    for block in blocks:
        for group in block.groups:
            sentences += _lost_runs(group)
            sentences += _doubled_seeds(group)
            sentences += _different_specs(group)
        sentences += _stopped_early(block)
        sentences += _tuning(block)
        sentences += _few_runs(block)
    return list(dict.fromkeys(sentences))


def _separate_blocks(blocks: Sequence[Block]) -> Iterator[str]:
    environments = Counter(block.environment for block in blocks)
    for environment, count in environments.items():
        if count > 1:
            kinds = [
                f"{block.protocol}, step {block.step:,}" if block.step is not None
                else block.protocol
                for block in blocks if block.environment == environment
            ]
            yield (
                f"{environment}: runs with different protocols are not compared with each other "
                f"({'; '.join(kinds)}). --at STEP compares at one step; --force puts all together."
            )


def _mixed(block: Block) -> Iterator[str]:
    runs = [score.run for group in block.groups for score in group.scores]
    kinds = sorted({f"{run.environment}, {run.protocol}, {run.total_steps} steps" for run in runs})
    if len(kinds) > 1:
        yield f"--force put together what is not comparable: {'; '.join(kinds)}."


def _lost_runs(group: Group) -> Iterator[str]:
    for status in _LOST:
        lost = [s for s in group.scores if s.excluded and s.run.status == status]
        if lost and group.num_used:
            yield (
                f"{len(lost)} of {len(group.scores)} runs of {group.variant} {status}: the "
                f"figures are those of the survivors and flatter {group.variant}."
            )


def _doubled_seeds(group: Group) -> Iterator[str]:
    seeds = Counter(
        (s.run.environment, s.run.seed)
        for s in group.scores if s.run.seed is not None and not s.excluded
    )
    doubled = sorted(seed for (_, seed), count in seeds.items() if count > 1)
    if doubled:
        yield (
            f"{group.variant}: seed {', '.join(map(str, doubled))} occurs more than once; copies "
            "of a run are not independent and make intervals too narrow."
        )


def _different_specs(group: Group) -> Iterator[str]:
    texts = {s.run.spec_text for s in group.scores if s.run.spec_text and not s.excluded}
    if len(texts) < 2:
        return
    fields = [specs.parse(text) for text in sorted(texts)]
    paths = sorted({path for one in fields for path in one} - specs.NAMES)
    differing = [p for p in paths if len({specs.show(one.get(p, "-")) for one in fields}) > 1]
    if differing:
        yield f"{group.variant}: its runs differ in {', '.join(differing)}."


def _stopped_early(block: Block) -> Iterator[str]:
    """Runs that a callback ended are complete before their steps are done."""
    told = []
    for group in block.groups:
        used = [s.run for s in group.scores if not s.excluded and s.run.source == "erlctl"]
        ends = sorted(run.step for run in used if run.status == "complete"
                      and run.step < (block.step or run.total_steps or 0))
        if ends:
            steps = "-".join(f"{step:,}" for step in dict.fromkeys((ends[0], ends[-1])))
            told.append(f"{len(ends)} of {group.num_used} runs of {group.variant} (step {steps})")
    if told:
        planned = "" if block.step is None else f" of {block.step:,} steps"
        yield (f"{block.environment}: stopped early by a callback: {', '.join(told)}{planned}; "
               "scores of different steps are compared. --at STEP compares at one step.")


def _tuning(block: Block) -> Iterator[str]:
    """How many settings were tried before those compared: what was tuned more looks better."""
    groups = [group for group in block.groups if group.num_used]
    trials = {
        group.variant: max((int(s.run.tuning.get("trials", 0)) for s in group.scores), default=0)
        for group in groups
    }
    if not any(trials.values()):
        return
    if any("trial" in s.run.tuning for group in groups for s in group.scores):
        yield (f"{block.environment}: these are trials of a search, and the best of many is "
               "optimistic: train the settings that `erlctl tune` prints, with their fresh seeds.")
        return
    told = ", ".join(f"{name} {count or 'no'} trials" for name, count in trials.items())
    is_fair = len(set(trials.values())) == 1
    yield f"{block.environment}: tuning: {told}" + (
        "." if is_fair else "; what was tuned more looks better for that alone.")


def _few_runs(block: Block) -> Iterator[str]:
    numbers = [group.num_used for group in block.groups if group.num_used]
    if not numbers or min(numbers) >= MIN_RUNS_BOOTSTRAP:
        return
    if min(numbers) < MIN_RUNS_INTERVAL:
        least = min(numbers)
        yield (
            f"{block.environment}: {least} {'run' if least == 1 else 'runs'} of a variant "
            f"{'allows' if least == 1 else 'allow'} no interval and no test; use at least "
            f"{MIN_RUNS_BOOTSTRAP} seeds, better {_GOOD_NUMBER}."
        )
    else:
        yield (
            f"{block.environment}: with {min(numbers)} runs of a variant intervals are wide "
            "(Student's t, which may reach beyond possible values) and tests weak; use at least "
            f"{MIN_RUNS_BOOTSTRAP} seeds, better {_GOOD_NUMBER}."
        )
