"""`training.initial_checkpoint`: a new run from another run's weights. No TensorFlow at import."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from erlctl.errors import DamagedError, ErlctlError
from erlctl.runs import catalogue
from erlctl.runs.layout import RunPaths, read_run_json
from erlctl.runs.manifest import MANIFEST, Damage, sha256
from erlctl.spec.schema import RunSpec

if TYPE_CHECKING:
    from erlctl.training.protocol import Program

_FIELD = "training.initial_checkpoint"
_REFERENCE = re.compile(r"(?P<run>.+?)(@(?P<which>\d+|best|latest))?")
# What fine-tuning takes over: networks, no optimiser, no counter, no replay.
_NETWORKS = re.compile(r"agent/(weights/|critic_|target_)")


@dataclass(frozen=True)
class Reference:
    """A checkpoint of another run.

    Attributes:
        paths: Its run.
        which: A step, the newest full one, or the best evaluated weights.
    """

    paths: RunPaths
    which: int | Literal["best", "latest"]

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Return what RUN, RUN@STEP, RUN@best or RUN@latest names."""
        match = _REFERENCE.fullmatch(text)
        which = (match["which"] if match else None) or "latest"
        return cls(RunPaths(Path(match["run"] if match else text)),
                   int(which) if which.isdecimal() else which)  # type: ignore[arg-type]


def problems(
    run: RunSpec, runs_dir: Path | None = None, *, fresh: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield (path, message) if a run is to begin from a checkpoint that is not there.

    Args:
        run: Resolved and named.
        runs_dir: Where the run's folder is; one that has checkpoints goes on from these and needs
            no other's. None: the run begins.
        fresh: Whether the run begins in any case.
    """
    text = run.training.initial_checkpoint
    has_begun = (runs_dir is not None and not fresh
                 and RunPaths.of(runs_dir, run).checkpoints.exists())
    if text is None or has_begun:
        return
    reference = Reference.parse(text)
    if not reference.paths.root.is_dir():
        yield _FIELD, f"there is no run {reference.paths.root}"
        return
    try:
        catalogue.find(reference.paths, reference.which)
    except ErlctlError as error:
        yield _FIELD, str(error)


def load(program: Program, text: str) -> dict[str, Any]:
    """Fill a fresh program's networks, targets included, from another run's checkpoint.

    Returns:
        What run.json records: run, run_id, step and SHA-256 of the checkpoint's manifest.

    Raises:
        ErlctlError: It is not there or of other networks; the message lists what does not fit.
        DamagedError: It is damaged.
    """
    from erlctl.runs import checkpoints

    reference = Reference.parse(text)
    folder = catalogue.find(reference.paths, reference.which)
    try:
        manifest = catalogue.read_verified(folder)
    except Damage as damage:
        raise DamagedError(f"{folder} is damaged: {damage}") from damage
    networks = {name: value for name, value in program.state().items() if _NETWORKS.match(name)}
    saved = {name: entry for name, entry in manifest.tensors.items() if _NETWORKS.match(name)}
    # Weights alone hold no targets, which then begin equal to their networks.
    absent = {name: weights for name in set(networks) - set(saved)
              if (weights := name.replace("agent/target_", "agent/weights/", 1)) in saved}
    copies = {weights: networks[name] for name, weights in absent.items()}
    copied = {weights: saved[weights] for weights in copies}
    try:
        checkpoints.restore(
            folder, dataclasses.replace(manifest, tensors=saved), networks, optional=absent)
        checkpoints.restore(folder, dataclasses.replace(manifest, tensors=copied), copies)
    except DamagedError as error:
        raise ErlctlError(
            f"{_FIELD}: {error}",
            fix="take a run of the same algorithm, network and environment spaces (of a critic, "
                "@best has no weights: take @latest)",
        ) from error
    return {
        "run": str(reference.paths.root), "run_id": read_run_json(reference.paths).get("run_id"),
        "step": manifest.step, "sha256": sha256(folder / MANIFEST),
    }
