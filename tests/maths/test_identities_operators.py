"""O1: what the operators are of each other; O4 and O9 in closed form are in the other files."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from erlctl.maths import actor_critic, policies, values
from tests.maths.arrays import call, finite, rows, temperatures


@given(q=rows(), temperature=temperatures)
def test_o1_logsumexp_is_boltzmann_plus_the_entropy(q, temperature):
    entropy = call(policies.entropy, call(policies.log_policy, q, temperature))
    difference = call(values.logsumexp, q, temperature) - call(values.boltzmann, q, temperature)
    np.testing.assert_allclose(difference, temperature * entropy, atol=1e-11)


@given(q=rows(), temperature=temperatures, seed=st.integers(0, 2**32 - 1))
def test_o1_soft_value_of_any_policy_is_logsumexp_minus_its_divergence(q, temperature, seed):
    p = np.random.default_rng(seed).dirichlet(np.ones(q.shape[-1]), len(q)) + 1e-9
    log_p = np.log(p / p.sum(-1, keepdims=True))
    soft = call(actor_critic.soft_policy_value, q, log_p, temperature)
    kl = call(policies.kl_divergence, log_p, call(policies.log_policy, q, temperature))
    np.testing.assert_allclose(
        soft, call(values.logsumexp, q, temperature) - temperature * kl, rtol=1e-10, atol=1e-10
    )


@given(q=rows(), temperature=temperatures, shift=finite(100.0))
def test_o1_a_state_dependent_shift_leaves_the_log_policy_alone(q, temperature, shift):
    shifted = call(policies.log_policy, q + shift, temperature)
    np.testing.assert_allclose(
        temperature * shifted, temperature * call(policies.log_policy, q, temperature), atol=1e-11
    )
