"""Numbers of a run that its program reads when it runs, where they could be compiled in.

Runs that differ in such numbers alone share one program (`spec.program_key`): it is compiled once,
and `Inputs.apply` gives it the numbers of each.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeVar

import tensorflow as tf

from erlctl.fields import change_numbers
from erlctl.spec.schema import RunSpec

T = TypeVar("T")


class Input:
    """A number in a variable; where a tensor is wanted, a read of it.

    It can be combined with tensors, raised to a power (a tensor) and compared with numbers;
    only runs with the same answers share the program (`fits`). All else, other arithmetic with
    Python's numbers among it, raises a `TypeError`: its result would be compiled in and silently be
    that of another run.

    Attributes:
        number: The number now, for what Python does at each use anew.
    """

    def __init__(self, number: float) -> None:
        # One of each type: a conversion in the program made steps of dqn 6 % longer.
        self._variables = {
            dtype: tf.Variable(number, dtype=dtype, trainable=False)
            for dtype in (tf.float32, tf.float64)
        }
        self.number = float(number)
        self._answers: dict[tuple[Callable[[Any, Any], bool], float], bool] = {}

    def fits(self, number: float) -> bool:
        """Whether the program with another run's number is this one: comparisons come out alike."""
        return all(how(number, other) == answer for (how, other), answer in self._answers.items())

    def assign(self, number: float) -> None:
        """Take another run's number, which fits."""
        if not self.fits(number):
            raise TypeError(f"{number} needs another program than {self.number}")
        for variable in self._variables.values():
            variable.assign(number)
        self.number = float(number)

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> tf.Tensor:
        """Return the number in the type that is wanted, by default float32 as Python's floats."""
        del name
        return self._variables[tf.as_dtype(dtype or tf.float32)].read_value()

    def _beside(self, other: Any) -> tf.Tensor:
        if not tf.is_tensor(other):
            raise TypeError(
                f"an input of the program cannot be combined with {other!r}: the result would be "
                "compiled in; make it a tensor first (tf.convert_to_tensor)"
            )
        return self.__tf_tensor__(other.dtype)

    def __mul__(self, other: Any) -> tf.Tensor:
        return self._beside(other) * other

    def __rmul__(self, other: Any) -> tf.Tensor:
        return other * self._beside(other)

    def __add__(self, other: Any) -> tf.Tensor:
        return self._beside(other) + other

    def __radd__(self, other: Any) -> tf.Tensor:
        return other + self._beside(other)

    def __sub__(self, other: Any) -> tf.Tensor:
        return self._beside(other) - other

    def __rsub__(self, other: Any) -> tf.Tensor:
        return other - self._beside(other)

    def __truediv__(self, other: Any) -> tf.Tensor:
        return self._beside(other) / other

    def __rtruediv__(self, other: Any) -> tf.Tensor:
        return other / self._beside(other)

    def __pow__(self, power: int) -> tf.Tensor:
        return self.__tf_tensor__() ** power

    def _compare(self, how: Callable[[Any, Any], bool], other: Any) -> bool:
        if not isinstance(other, (int, float)):
            raise TypeError(f"an input of the program cannot be compared with {other!r}")
        self._answers[how, other] = how(self.number, other)  # it is compiled in
        return self._answers[how, other]

    def __gt__(self, other: Any) -> bool:
        return self._compare(operator.gt, other)

    def __ge__(self, other: Any) -> bool:
        return self._compare(operator.ge, other)

    def __lt__(self, other: Any) -> bool:
        return self._compare(operator.lt, other)

    def __le__(self, other: Any) -> bool:
        return self._compare(operator.le, other)

    def __eq__(self, other: object) -> bool:
        return self is other or (
            not isinstance(other, Input) and self._compare(operator.eq, other))

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("an input of the program has no truth value: compare it with 0")


class Inputs:
    """The inputs of one program, and what else it takes anew from each run.

    Attributes:
        run: The run that the program has now; at first the one that it is built for.
    """

    def __init__(self, run: RunSpec) -> None:
        self.run = run
        self._lifted: list[tuple[Callable[[RunSpec], Any], list[Input]]] = []
        self._bound: list[tuple[tf.Variable, Callable[[RunSpec], float]]] = []

    def lift(self, of: Callable[[RunSpec], T]) -> T:
        """Return `of(run)` with an `Input` in place of every number.

        Args:
            of: What is computed with Python's numbers, anew for each run.
        """
        made: list[Input] = []

        def lifted(number: float) -> Input:
            made.append(Input(number))
            return made[-1]

        value: T = change_numbers(of(self.run), lifted)
        self._lifted.append((of, made))
        return value

    def bind(self, variable: tf.Variable, of: Callable[[RunSpec], float]) -> None:
        """Let `variable` begin each run as `of(run)`."""
        self._bound.append((variable, of))

    def fits(self, run: RunSpec) -> bool:
        """Whether `run`, which has the program's key, has numbers that the program can take.

        Those of the spec stand alike to 0 and 1 by the key; what is computed from them need not.
        """
        return all(
            len(numbers) == len(inputs) and all(map(Input.fits, inputs, numbers))
            for numbers, inputs in ((_numbers(of(run)), inputs) for of, inputs in self._lifted)
        )

    def apply(self, run: RunSpec) -> None:
        """Take the numbers of `run`, which fits."""
        self.run = run
        for of, inputs in self._lifted:
            for each, number in zip(inputs, _numbers(of(run)), strict=True):
                each.assign(number)
        for variable, of in self._bound:
            variable.assign(of(run))


def _numbers(value: Any) -> list[float]:
    found: list[float] = []
    change_numbers(value, found.append)
    return found


def number_of(value: float | Input) -> float:
    """Return a number; that of an input as it is now."""
    return value.number if isinstance(value, Input) else value
