"""Everything that a spec can choose declares enough for reader, help and errors."""

import dataclasses
import math
from typing import get_args

import pytest

from erlctl import registry
from erlctl.fields import Schedule
from erlctl.spec import schema
from erlctl.spec.reader import default_of, hints_of

CLASSES = [
    schema.RunSpec, schema.EnvironmentSection, schema.TrainingSection, schema.EvaluationSection,
    schema.CheckpointSection, schema.LoggingSection,
    *(cls for kind in ("algorithm", "network", "optimizer", "policy")
      for cls in registry.all_of(kind).values()),
]
FIELDS = [
    pytest.param(cls, field, id=f"{cls.__name__}.{field.name}")
    for cls in CLASSES for field in dataclasses.fields(cls)
]


@pytest.mark.parametrize(("cls", "field"), FIELDS)
def test_every_field_says_what_it_means(cls, field):
    assert field.metadata.get("doc", "").endswith(".")


@pytest.mark.parametrize(("cls", "field"), FIELDS)
def test_every_number_has_a_domain_that_refuses_not_a_number(cls, field):
    hint = hints_of(cls)[field.name]
    kinds = {hint, *get_args(hint)}
    if kinds & {int, float, Schedule}:
        assert field.metadata["domain"] is not None
        assert not field.metadata["domain"].__contains__(math.nan)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if all(
    default_of(field) is not dataclasses.MISSING for field in dataclasses.fields(cls))])
def test_defaults_are_allowed(cls):
    assert cls() == cls()


@pytest.mark.parametrize("name", ["a", "A-1_b.c", "9", "x" * 80])
def test_folder_names_are_allowed(name):
    assert name in schema.NAME
    assert name in schema.VARIANT


@pytest.mark.parametrize("name", ["", ".", "..", "-a", "_a", "a/b", "a\n", "a b", "é", "x" * 201])
def test_unsafe_folder_names_are_refused(name):
    assert name not in schema.NAME
    assert name not in schema.VARIANT
