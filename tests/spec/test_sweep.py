"""Variants are the product of `variants` and `sweep`, with readable, unique and safe names."""

import re

import pytest

from erlctl.spec.schema import VARIANT


def variants(experiment) -> list[str]:
    return [run.variant for run in experiment.runs]


def test_without_a_sweep_the_variant_is_the_algorithm(specs):
    assert variants(specs.add("")) == ["dqn"]


def test_a_sweep_is_a_grid_in_file_order_with_seeds_inside(specs):
    runs = specs.add("""\
        seeds: 2
        sweep:
          agent.algorithm: [munchausen_dqn, dqn]
          optimizer.learning_rate: [1e-3, 3e-5]
        """).runs
    assert [(run.variant, run.seed) for run in runs] == [
        ("munchausen_dqn,learning_rate=0.001", 0), ("munchausen_dqn,learning_rate=0.001", 1),
        ("munchausen_dqn,learning_rate=3e-05", 0), ("munchausen_dqn,learning_rate=3e-05", 1),
        ("dqn,learning_rate=0.001", 0), ("dqn,learning_rate=0.001", 1),
        ("dqn,learning_rate=3e-05", 0), ("dqn,learning_rate=3e-05", 1),
    ]
    assert runs[2].optimizer.learning_rate == 3e-5
    assert runs[2].agent.registered_name == "munchausen_dqn"


@pytest.mark.parametrize(("sweep", "expected"), [
    ("agent.gamma: [1, 0.5]", ["dqn,gamma=1.0", "dqn,gamma=0.5"]),
    ("network.hidden: [[], [64], [32, 32]]",
     ["dqn,hidden=", "dqn,hidden=64", "dqn,hidden=32+32"]),
    ("agent.gradient_clip_norm: [null, 10]",
     ["dqn,gradient_clip_norm=null", "dqn,gradient_clip_norm=10.0"]),
    ("agent.collect_policy: [{type: greedy}, {type: epsilon_greedy, epsilon: 0.1}]",
     ["dqn,collect_policy=greedy", "dqn,collect_policy=epsilon_greedy+0.1"]),
    ("agent.collect_policy.epsilon: [0.1, {start: 1, end: 0.1, steps: 9}]",
     ["dqn,epsilon=0.1", "dqn,epsilon=1.0+0.1+9"]),
    ("environment.id: [MinAtar/Breakout-v1]", ["dqn,id=MinAtar-Breakout-v1"]),
    ("environment.kwargs.sticky: [true, 'a b']", ["dqn,sticky=true", "dqn,sticky=a-b"]),
    ("{evaluation.every: [1, 2], logging.every: [3]}",
     ["dqn,evaluation.every=1,logging.every=3", "dqn,evaluation.every=2,logging.every=3"]),
    ("agent: {gamma: [0.5]}", ["dqn,gamma=0.5"]),
])
def test_a_name_shows_each_swept_field(specs, sweep, expected):
    sweep = sweep if sweep.startswith("{") else f"{{{sweep}}}"
    assert variants(specs.add(f"sweep: {sweep}\n")) == expected


def test_a_name_does_not_depend_on_how_a_number_is_written(specs):
    written = [variants(specs.add(f"sweep: {{agent.gamma: [{text}]}}\n"))
               for text in ("0.1", "1e-1", ".1", "0.10")]
    assert written == [["dqn,gamma=0.1"]] * 4


def test_names_that_look_alike_are_told_apart(specs):
    names = variants(specs.add("sweep: {environment.kwargs.a: ['x y', x-y, 'X y']}\n"))
    assert names[0] == "dqn,a=x-y"
    assert len({name.lower() for name in names}) == 3
    assert all(re.fullmatch(r"dqn,a=[xX]-y(\+[0-9a-f]{8})?", name) for name in names)


def test_a_long_name_is_cut_and_stays_unique_and_valid(specs):
    texts = [letter * 300 for letter in "ab"] + ["c" * 299 + "d", "c" * 299 + "e"]
    names = variants(specs.add(f"sweep: {{environment.kwargs.a: [{', '.join(texts)}]}}\n"))
    assert len(set(names)) == 4
    assert all(len(name) == 150 and name in VARIANT for name in names)


def test_names_are_the_same_every_time(specs):
    text = "sweep: {environment.kwargs.a: ['x y', x-y]}\n"
    assert variants(specs.add(text)) == variants(specs.add(text))


def test_variants_compare_algorithms_with_fields_of_their_own(specs):
    runs = specs.add("""\
        variants:
          plain: {agent.gamma: 0.9}
          munchausen: {agent: {algorithm: munchausen_dqn, alpha: 0.5}, network: {hidden: [8]}}
          walk: {agent: {collect_policy: {type: greedy}}}
        """).runs
    assert [run.variant for run in runs] == ["plain", "munchausen", "walk"]
    assert (runs[0].agent.gamma, runs[0].agent.registered_name) == (0.9, "dqn")
    assert (runs[1].agent.alpha, runs[1].network.hidden) == (0.5, (8,))
    assert runs[2].agent.collect_policy.registered_name == "greedy"


def test_variants_and_sweep_make_a_product(specs):
    names = variants(specs.add("""\
        variants: {a: {agent.n_step: 1}, b: {agent.n_step: 2}}
        sweep: {agent.gamma: [0.5, 0.6], agent.algorithm: [double_dqn]}
        """))
    assert names == [
        "a,gamma=0.5,algorithm=double_dqn", "a,gamma=0.6,algorithm=double_dqn",
        "b,gamma=0.5,algorithm=double_dqn", "b,gamma=0.6,algorithm=double_dqn",
    ]


def test_a_base_that_only_variants_complete_is_fine(specs):
    runs = specs.load("""\
        name: x
        environment: {id: CartPole-v1}
        variants: {a: {agent.algorithm: dqn}}
        """).runs
    assert [run.variant for run in runs] == ["a"]


@pytest.mark.parametrize(("text", "expected"), [
    ("sweep: {agent.gamma: 0.9}", "spec.yaml:4:22: sweep.agent.gamma: expected a list of values "
     "such as [0.9, 0.99], got the number 0.9"),
    ("sweep: {agent.gamma: []}", "spec.yaml:4:22: sweep.agent.gamma: expected a list of values "
     "such as [0.9, 0.99], got an empty list"),
    ("sweep: {agent.gamma: [0.1, 0.2, 1e-1]}",
     "spec.yaml:4:33: sweep.agent.gamma: the number 1e-1 is listed twice; remove one"),
    ("sweep: [1]", "spec.yaml:4:8: sweep: expected entries such as "
     "sweep: {agent.gamma: [0.9, 0.99]}, got a list of 1 value"),
    ("sweep:", "spec.yaml:4:7: sweep: expected entries such as "
     "sweep: {agent.gamma: [0.9, 0.99]}, got nothing (null)"),
    ("sweep: {seeds: [1, 2]}", "spec.yaml:4:9: sweep.seeds: cannot differ between variants"),
    ("sweep: {name: [a, b]}", "spec.yaml:4:9: sweep.name: cannot differ between variants"),
    ("sweep: {agnt.gamma: [1]}", "spec.yaml:4:9: sweep.agnt.gamma: unknown key 'agnt'; did you "
     "mean 'agent'? known: agent, checkpoint, environment, evaluation, logging, network, "
     "optimizer, training"),
    ("sweep: {agent.gama: [0.1]}", "spec.yaml:4:9: agent.gama: unknown key 'gama'; did you mean "
     "'gamma'? known: algorithm, collect_policy, gamma, gradient_clip_norm, loss, n_step"),
    ("sweep: {agent.: [1]}", "spec.yaml:4:9: sweep: expected a dotted path, got 'agent.'"),
    ("sweep: {agent.gamma: [0.5, 1.5]}",
     "spec.yaml:4:28: agent.gamma: must be in [0, 1], got 1.5 (discount factor)"),
    ("sweep: {agent.collect_policy: [{type: greedy}], agent.collect_policy.type: [greedy]}",
     "spec.yaml:4:49: sweep.agent.collect_policy.type: already set above; remove one"),
    ("sweep: {environment.id.x: [1]}",
     "spec.yaml:4:9: environment.id.x: environment.id is the text 'CartPole-v1', not a mapping: "
     "it has no keys"),
    ("variants: [a]", "spec.yaml:4:11: variants: expected entries such as "
     "variants: {dqn: {agent.algorithm: dqn}}, got a list of 1 value"),
    ("variants: {a: 3}", "spec.yaml:4:15: variants.a: expected a mapping from paths to values, "
     "got the number 3; write variants: {dqn: {agent.algorithm: dqn}}"),
    ("variants: {../a: {}}", "spec.yaml:4:12: variants.../a: must be a folder name of 1 to 80 "
     "letters, digits and '._+-' that starts with a letter or digit, got '../a'"),
    ("{variants: {a: {agent.gamma: 0.1}}, sweep: {agent.gamma: [0.2]}}",
     "spec.yaml:4:17: variants.a: agent.gamma is also swept; remove one of them"),
])
def test_a_mistake_in_the_variants_is_reported_where_it_stands(specs, text, expected):
    if text.startswith("{"):
        text = "variants: {a: {agent.gamma: 0.1}}\nsweep: {agent.gamma: [0.2]}"
        expected = expected.replace("4:17", "4:16")
    assert specs.refuse_added(text + "\n") == [expected]


def test_a_field_that_only_some_swept_algorithms_have_points_to_variants(specs):
    (problem,) = specs.refuse("""\
        name: x
        environment: {id: CartPole-v1}
        agent: {algorithm: dqn, alpha: 0.5}
        sweep: {agent.algorithm: [dqn, munchausen_dqn, double_dqn]}
        """)
    assert problem.startswith("spec.yaml:3:25: agent.alpha: 'alpha' is a field of")
    assert problem.endswith(
        "only in 2 of 3 variants (algorithm=dqn and algorithm=double_dqn): what not all of them "
        "take belongs under `variants:`, not into the base"
    )


def test_too_many_variants_are_refused_before_they_are_made(specs):
    lists = ", ".join(f"environment.kwargs.a{n}: [1, 2]" for n in range(40))
    assert specs.refuse_added(f"sweep: {{{lists}}}\n") == [
        f"spec.yaml:4:1: sweep: {2**40} variants are too many: at most 2000"
    ]
