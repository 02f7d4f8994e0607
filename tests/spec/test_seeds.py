"""Seeds mean the same in a file, in `--set` and in `--seeds`."""

import pytest


@pytest.mark.parametrize(("text", "seeds"), [
    ("3", [0, 1, 2]), ("[0, 7, 8]", [0, 7, 8]), ("0-3", [0, 1, 2, 3]), ("5-5", [5]),
    ("'0,3,5'", [0, 3, 5]), ("100-102,7", [100, 101, 102, 7]), ("[1-2, 9]", [1, 2, 9]),
    ("'4,'", [4]),
])
def test_seeds_are_a_number_a_list_or_ranges(specs, text, seeds):
    runs = specs.add(f"seeds: {text}\n").runs
    assert [run.seed for run in runs] == seeds


@pytest.mark.parametrize(("text", "words"), [
    ("0", "must be 1 to 10000 seeds, got the number 0 (seed 0 alone is 0-0)"),
    ("-1", "must be 1 to 10000 seeds, got the number -1"),
    ("1000000000000", "must be 1 to 10000 seeds"),
    ("1.5", "expected a number of seeds (10 = seeds 0 to 9)"),
    ("true", "got true"),
    ("", "got nothing (null)"),
    ("[]", "no seeds"),
    ("[1, 2, 1]", "seed 1 is listed twice"),
    ("[-1]", "a whole number of at least 0, got the number -1"),
    ("[a]", "got the text 'a'"),
    ("9-0", "the range 9-0 is empty: write 0-9"),
    ("0-9999999999", "too large"),
    ("{a: 1}", "got a mapping with a"),
    ("[99999999999999999999]", "a whole number of at least 0"),
])
def test_what_is_no_seeds_is_refused(specs, text, words):
    (problem,) = specs.refuse_added(f"seeds: {text}\n")
    assert problem.startswith("spec.yaml:4:")
    assert words in problem


def test_without_seeds_there_is_one_run_with_seed_zero(specs):
    assert [run.seed for run in specs.add("").runs] == [0]


def test_the_command_line_replaces_the_seeds_of_the_file(specs):
    assert [run.seed for run in specs.add("seeds: 10\n", seeds="0,3").runs] == [0, 3]
    assert [run.seed for run in specs.add("seeds: 10\n", "seeds=2").runs] == [0, 1]


def test_seeds_given_twice_on_the_command_line_are_refused(specs):
    assert specs.refuse_added("", "seeds=2", seeds="3") == [
        "--seeds: seeds: already set by --set[1]; remove one of them"
    ]


def test_wrong_seeds_of_the_command_line_name_the_option(specs):
    (problem,) = specs.refuse_added("", seeds="x")
    assert problem.startswith("--seeds: seeds: expected a number of seeds")
