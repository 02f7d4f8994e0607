"""What every algorithm declares: documentation, defaults, targets, refusals, warnings."""

import dataclasses
import subprocess
import sys

import pytest

from erlctl import registry, spec
from erlctl.algorithms import base, companion
from erlctl.errors import DomainError, SpecError
from erlctl.fields import Options, Schedule
from erlctl.options import policies
from erlctl.spec.schema import EnvironmentSection, EvaluationSection, RunSpec, TrainingSection

ALGORITHMS = registry.all_of("algorithm")
AGENTS = [name for name, cls in ALGORITHMS.items() if cls.base != "planner"]
VALUE_ALGORITHMS = [
    name for name, cls in ALGORITHMS.items() if issubclass(cls, base.ValueAlgorithm)
]
BASES = {
    "regularised_dqn", "factorial", "kernel", "quantile", "companion", "actor_critic_discrete",
    "sac",
    "planner",
}

# Section 0's table of the reference: operator, temperature, alpha, clip, double.
TARGETS = {
    "dqn": ("max", 0.0, 0.0, (None, None), False),
    "double_dqn": ("max", 0.0, 0.0, (None, None), True),
    "soft_dqn": ("logsumexp", 0.03, 0.0, (None, None), False),
    "advantage_learning": ("max", 0.0, 0.9, (None, None), False),
    "dpp": ("logsumexp", 0.1, 1.0, (-1.0, 0.0), False),
    "cvi": ("mellowmax", 0.03, 0.9, (None, None), False),
    "munchausen_dqn": ("logsumexp", 0.03, 0.9, (-1.0, 0.0), False),
    "original_dpp": ("boltzmann", 1.0, 0.9, (None, None), False),
    "tsallis_dqn": ("sparsemax", 0.03, 0.9, (-1.0, 0.0), False),
    "iqn": ("max", 0.0, 0.0, (None, None), False),
    "munchausen_iqn": ("logsumexp", 0.03, 0.9, (-1.0, 0.0), False),
}

DEFAULTS = {
    "munchausen_dqn": {
        "temperature": 0.03, "alpha": 0.9, "log_policy_clip": -1.0, "gamma": 0.99, "loss": "huber",
    },
    "munchausen_iqn": {
        "temperature": 0.03, "alpha": 0.9, "log_policy_clip": -1.0, "num_quantiles": 64,
        "num_target_quantiles": 64, "num_policy_quantiles": 32, "kappa": 1.0,
    },
    "iqn": {"num_quantiles": 64, "num_target_quantiles": 64, "num_policy_quantiles": 32},
    "advantage_learning": {"alpha": 0.9, "persistent": False},
    "original_dpp": {
        "alpha": 0.9, "temperature": 1.0, "collect_policy": policies.Boltzmann(),
    },
    "dpp": {"form": "bounded"},
    "momentum_dqn": {"averaging_offset": 0.0, "averaging_weight_max": 0.9},
}


def make(name, **fields):
    return ALGORITHMS[name](**fields)


def refusal(name, **fields):
    """Return the message with which settings are refused."""
    with pytest.raises(DomainError) as caught:
        make(name, **fields)
    return str(caught.value)


def test_the_family_is_complete():
    assert set(ALGORITHMS) >= {
        *TARGETS, "momentum_dqn", "dual_averaging_vi", "mirror_descent_vi", "sac_discrete",
        "munchausen_ac", "sac", "munchausen_sac",
    }


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_documents_itself(name):
    cls = ALGORITHMS[name]
    assert cls.base in BASES
    assert cls.action_kind in {"discrete", "multi_discrete", "continuous"}
    for text in (cls.summary, cls.equation, cls.source):
        assert text
        assert text.strip() == text
    assert cls.__doc__
    assert "\n" not in cls.summary
    assert len(cls.summary) <= 70
    assert cls.relations
    assert max(map(len, cls.equation.splitlines())) <= 100


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_field_has_a_sentence_and_every_number_a_domain(name):
    for field in dataclasses.fields(ALGORITHMS[name]):
        assert field.metadata["doc"].endswith("."), field.name
        if "float" in str(field.type) or "int" in str(field.type):
            assert field.metadata["domain"] is not None, field.name


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_relation_names_a_registered_algorithm(name):
    for sentence in ALGORITHMS[name].relations:
        mentioned = {word for word in ALGORITHMS if word in sentence and word != name}
        assert mentioned or "network" in sentence, sentence


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_field_of_an_equation_exists(name):
    """Names of hyper-parameters in the equation are those of the fields."""
    cls = ALGORITHMS[name]
    fields = {field.name for field in dataclasses.fields(cls)}
    known = {
        "temperature", "alpha", "log_policy_clip", "log_policy_clip_high", "kl_coefficient",
        "entropy_coefficient", "bounding_scale", "averaging_offset", "averaging_weight_max",
        "target_entropy_scale", "kappa", "gamma",
    }
    words = set("".join(c if c.isalnum() or c == "_" else " " for c in cls.equation).split())
    assert (words & known) <= fields


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_those_of_the_source(name):
    algorithm = make(name)
    assert {key: getattr(algorithm, key) for key in DEFAULTS[name]} == DEFAULTS[name]


@pytest.mark.parametrize("name", TARGETS)
def test_targets_are_those_of_the_table(name):
    operator, temperature, alpha, clip, double = TARGETS[name]
    assert make(name).backup() == base.Backup(
        operator=operator, temperature=temperature, gap_scale=alpha, gap_range=clip, double=double
    )


@pytest.mark.parametrize("name", ALGORITHMS)
def test_default_settings_have_no_warning_but_the_original_ones(name):
    warnings = list(make(name).warnings())
    assert bool(warnings) == (name == "original_dpp")


@pytest.mark.parametrize("name", AGENTS)
def test_behaviour_policy_is_an_option_of_every_agents_algorithm(name):
    algorithm = make(name)
    assert isinstance(algorithm.collect_policy, Options)
    greedy = dataclasses.replace(algorithm, collect_policy=policies.Greedy())
    assert greedy.collect_policy == policies.Greedy()


@pytest.mark.parametrize(("name", "field", "value"), [
    ("munchausen_dqn", "temperature", 0.0), ("munchausen_dqn", "alpha", 1.5),
    ("munchausen_dqn", "log_policy_clip", 1.0), ("soft_dqn", "temperature", -0.1),
    ("advantage_learning", "alpha", 1.0), ("cvi", "alpha", -0.1), ("dpp", "temperature", 0.0),
    ("dpp", "log_policy_clip", 0.5), ("iqn", "num_quantiles", 0), ("iqn", "kappa", 0.0),
    ("momentum_dqn", "averaging_weight_max", 1.1), ("momentum_dqn", "averaging_offset", -1.0),
    ("dual_averaging_vi", "kl_coefficient", -1.0), ("sac_discrete", "temperature", 0.0),
    ("sac_discrete", "target_entropy_scale", 1.5), ("munchausen_ac", "log_policy_clip", 0.1),
    ("munchausen_sac", "bounding_scale", 0.0), ("sac", "actor_learning_rate", 0.0),
    ("dqn", "gamma", 1.5), ("dqn", "gamma", float("nan")), ("dqn", "n_step", 0),
])
def test_numbers_outside_their_domain_are_refused(name, field, value):
    assert field in refusal(name, **{field: value})


@pytest.mark.parametrize("name", sorted(set(VALUE_ALGORITHMS) - {"dqn", "double_dqn", "iqn"}))
def test_n_step_returns_are_refused_where_the_target_is_regularised(name):
    assert "log-policy of every step" in refusal(name, n_step=3)


@pytest.mark.parametrize("name", ["dqn", "double_dqn", "iqn"])
def test_n_step_returns_are_allowed_without_regularisation(name):
    assert make(name, n_step=3).n_step == 3


def test_double_is_refused_at_a_temperature_and_allowed_without():
    assert "argmax" in refusal("soft_dqn", double=True)
    assert make("soft_dqn", double=True, temperature=0.0).backup() == base.Backup(
        operator="logsumexp", double=True
    )
    assert make("advantage_learning", double=True).backup().double


@pytest.mark.parametrize(("fields", "reason"), [
    ({"kl_coefficient": 0.1}, "together"),
    ({"entropy_coefficient": 0.1}, "together"),
    ({"kl_coefficient": 0.1, "entropy_coefficient": 0.1, "alpha": 0.5}, "determine"),
    ({"kl_coefficient": 0.1, "entropy_coefficient": 0.1, "temperature": 0.5}, "determine"),
    ({"kl_coefficient": 0.0, "entropy_coefficient": 0.0}, "advantage_learning"),
])
def test_cvi_refuses_mixed_parametrisations(fields, reason):
    assert reason in refusal("cvi", **fields)


def test_cvi_coefficients_give_temperature_and_alpha():
    backup = make("cvi", kl_coefficient=0.3, entropy_coefficient=0.1).backup()
    assert backup.temperature == pytest.approx(0.4)
    assert backup.gap_scale == pytest.approx(0.75)
    assert make("cvi", temperature=0.5).backup().gap_scale == 0.9
    assert make("cvi", alpha=0.5).backup().temperature == 0.03


def test_an_infinite_bonus_is_refused():
    message = refusal("tsallis_dqn", bonus="q_logarithm", log_policy_clip=None)
    assert "minus infinity" in message
    assert make("tsallis_dqn", bonus="q_logarithm").backup().gap == "q_logarithm"


def test_dpp_has_three_forms():
    assert make("dpp").base == "regularised_dqn"
    assert make("dpp", form="preference").backup().gap_range == (None, None)
    assert make("dpp", operator="boltzmann").backup().gap_range == (-1.0, None)
    two_networks = make("dpp", form="q_plus_log_policy", temperature=0.2)
    assert two_networks.base == "companion"
    assert two_networks.companion() == companion.Companion(
        rule="dynamic_policy_programming", kl_coefficient=0.2, regularised_evaluation=True,
        log_policy_clip=-1.0,
    )
    assert "normalisation" in refusal("dpp", form="q_plus_log_policy", operator="boltzmann")


@pytest.mark.parametrize(("name", "fields"), [
    ("dpp", {"form": "preference"}), ("dpp", {"log_policy_clip": None}),
    ("dpp", {"form": "q_plus_log_policy", "log_policy_clip": None}), ("cvi", {"alpha": 1.0}),
    ("munchausen_dqn", {"alpha": 1.0, "log_policy_clip": None}),
])
def test_diverging_settings_are_warned_of(name, fields):
    assert any("fall without end" in warning for warning in make(name, **fields).warnings())


def test_boltzmann_with_alpha_below_one_is_warned_of_as_neither():
    assert any("neither DPP" in warning for warning in make("original_dpp").warnings())
    assert not any("neither" in w for w in make("original_dpp", alpha=1.0).warnings())


def test_companion_algorithms_declare_their_rules():
    momentum = make("momentum_dqn").companion()
    assert momentum.rule == "momentum"
    assert momentum.weight == companion.AveragingWeight(grows=True, offset=0.0, largest=0.9)
    averaging = make("dual_averaging_vi", kl_coefficient=0.3, entropy_coefficient=0.1).companion()
    assert averaging.weight == companion.AveragingWeight(grows=False, largest=0.3 / 0.4)
    mean = make("dual_averaging_vi", entropy_coefficient=0.0)
    assert mean.companion().weight == companion.AveragingWeight()
    assert make("mirror_descent_vi").companion().rule == "mirror_descent_direct"
    indirect = make("mirror_descent_vi", form="indirect", regularised_evaluation=False).companion()
    assert indirect.rule == "mirror_descent_indirect"
    assert not indirect.regularised_evaluation


@pytest.mark.parametrize("name", ["dual_averaging_vi", "mirror_descent_vi"])
def test_two_network_schemes_need_some_regularisation(name):
    assert "kl_coefficient" in refusal(name, kl_coefficient=0.0, entropy_coefficient=0.0)


def test_actor_critics_declare_their_bonus():
    assert make("sac_discrete").bonus().alpha == 0.0
    assert make("munchausen_ac").bonus().bounds == (-1.0, 0.0)
    bounded = make("munchausen_sac", bounding="tanh", bounding_scale=5.0).bonus()
    assert (bounded.bounding, bounded.scale) == ("tanh", 5.0)
    assert make("munchausen_sac").bonus().bounds == (-1.0, 1.0)


def test_actor_critics_refuse_settings_without_effect():
    assert "learn_temperature" in refusal("sac_discrete", temperature_learning_rate=1e-3)
    assert "log_policy_clip" in refusal(
        "munchausen_sac", log_policy_clip=0.0, log_policy_clip_high=0.0
    )
    assert "quantile Huber" in refusal("iqn", loss="squared")


def test_an_unbounded_density_is_warned_of():
    assert list(make("munchausen_sac", log_policy_clip_high=None).warnings())
    assert not list(make("munchausen_sac", log_policy_clip_high=None, bounding="clip").warnings())


def make_run(algorithm, evaluation=None, **training):
    """Return a run of `algorithm` on defaults."""
    return RunSpec(
        name="x", variant="x", seed=0, environment=EnvironmentSection(id="CartPole-v1"),
        agent=algorithm, training=TrainingSection(**training),
        evaluation=EvaluationSection(policy=evaluation or policies.Greedy()),
    )


GREEDY = [("soft_dqn", {"temperature": 0.0}), *(
    (name, {}) for name in ("dqn", "double_dqn", "advantage_learning", "iqn", "momentum_dqn")
)]


@pytest.mark.parametrize("policy", [policies.Boltzmann, policies.EpsilonBoltzmann])
@pytest.mark.parametrize("name", AGENTS)
def test_a_boltzmann_policy_needs_a_temperature_of_the_algorithms_or_its_own(name, policy):
    """Scores were divided by 0: the policy was wrong without a word."""
    greedy = [fields for known, fields in GREEDY if known == name]
    for fields in [{}, *greedy]:
        algorithm = make(name, **fields)
        make_run(make(name, **fields, collect_policy=policy(temperature=Schedule.constant(0.1))))
        make_run(algorithm, policy(temperature=Schedule.constant(0.1)))
        if algorithm.policy_temperature > 0:
            assert fields not in greedy
            make_run(make(name, **fields, collect_policy=policy()), policy())
            continue
        assert fields in greedy
        message = refusal(name, **fields, collect_policy=policy())
        assert "collect_policy.temperature must be given" in message
        with pytest.raises(DomainError, match=r"evaluation\.policy\.temperature must be given"):
            make_run(algorithm, policy())


def test_the_refusal_of_a_missing_temperature_shows_how_to_give_one(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(
        "name: x\nenvironment: {id: CartPole-v1}\nseeds: 1\n"
        "agent: {algorithm: dqn, collect_policy: {type: boltzmann}}\n"
        "evaluation: {policy: {type: boltzmann}}\n"
    )
    with pytest.raises(SpecError) as caught:
        spec.load(path)
    assert "agent.collect_policy.temperature" in str(caught.value)
    assert "for example `temperature: 0.1`" in str(caught.value)
    path.write_text(path.read_text().replace("collect_policy: {type: boltzmann}", "n_step: 1"))
    with pytest.raises(SpecError, match=r"evaluation\.policy\.temperature: must be given"):
        spec.load(path)


@pytest.mark.parametrize("name", ["sac", "munchausen_sac"])
def test_a_temperature_that_continuous_actors_do_not_read_is_warned_of(name):
    given = policies.Boltzmann(temperature=Schedule.constant(0.1))
    assert "not read" in next(iter(make(name, collect_policy=given).warnings()))
    assert any("not read" in warning for warning in make_run(make(name), given).warnings())
    assert not list(make_run(make(name), policies.Boltzmann()).warnings())


@pytest.mark.parametrize(("name", "fields", "polyak", "is_warned"), [
    ("dual_averaging_vi", {"entropy_coefficient": 0.0}, 0.02, True),
    ("dual_averaging_vi", {"entropy_coefficient": 0.0}, 1.0, False),
    ("dual_averaging_vi", {}, 0.02, False), ("momentum_dqn", {}, 0.02, True),
    ("mirror_descent_vi", {}, 0.02, False), ("dqn", {}, 0.02, False),
])
def test_soft_synchronisations_that_count_as_iterations_are_warned_of(
    name, fields, polyak, is_warned
):
    run = make_run(make(name, **fields), target_update_polyak=polyak)
    assert any("counts as a whole iteration" in w for w in run.warnings()) == is_warned


def test_every_algorithm_says_how_long_its_returns_are():
    assert {make(name).n_step for name in ALGORITHMS} == {1}
    assert "n_step" not in {f.name for f in dataclasses.fields(ALGORITHMS["sac"])}


def test_a_new_algorithm_is_written_with_four_names():
    code = (
        "import sys; from erlctl.algorithms import Backup, ValueAlgorithm, option, register; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_declarations_do_not_import_tensorflow():
    code = (
        "import sys; from erlctl import registry; registry.all_of('algorithm'); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
