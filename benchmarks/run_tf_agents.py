"""TF-Agents as its tutorials use it: driver, replay dataset, one compiled `train` per step."""

from __future__ import annotations

import tensorflow as tf
from tf_agents.agents.dqn import dqn_agent
from tf_agents.drivers import dynamic_step_driver
from tf_agents.environments import suite_gym, tf_py_environment
from tf_agents.networks import q_network
from tf_agents.policies import random_tf_policy
from tf_agents.replay_buffers import tf_uniform_replay_buffer
from tf_agents.utils import common
from work import (
    EPSILON,
    GAMMA,
    LEARNING_RATE,
    LEARNING_STARTS,
    REPLAY_CAPACITY,
    Work,
    report,
)


def make_agent(environment: tf_py_environment.TFPyEnvironment, work: Work) -> dqn_agent.DqnAgent:
    """Return TF-Agents' DQN with Huber loss and Adam."""
    network = q_network.QNetwork(
        environment.observation_spec(), environment.action_spec(), fc_layer_params=work.hidden
    )
    agent = dqn_agent.DqnAgent(
        environment.time_step_spec(), environment.action_spec(), q_network=network,
        optimizer=tf.keras.optimizers.Adam(LEARNING_RATE), epsilon_greedy=EPSILON, gamma=GAMMA,
        target_update_period=work.target_update_every,
        td_errors_loss_fn=common.element_wise_huber_loss,
    )
    agent.initialize()
    return agent


def main() -> None:
    """Fill the replay, warm up, time."""
    work = Work.from_argv()
    environment = tf_py_environment.TFPyEnvironment(suite_gym.load(work.environment))
    agent = make_agent(environment, work)
    replay = tf_uniform_replay_buffer.TFUniformReplayBuffer(
        agent.collect_data_spec, batch_size=1, max_length=REPLAY_CAPACITY
    )

    def driver(policy: object, num_steps: int) -> dynamic_step_driver.DynamicStepDriver:
        return dynamic_step_driver.DynamicStepDriver(
            environment, policy, observers=[replay.add_batch], num_steps=num_steps
        )

    random_policy = random_tf_policy.RandomTFPolicy(
        environment.time_step_spec(), environment.action_spec()
    )
    driver(random_policy, LEARNING_STARTS).run()
    collect = common.function(driver(agent.collect_policy, 1).run)
    train = common.function(agent.train)
    dataset = replay.as_dataset(sample_batch_size=work.batch_size, num_steps=2)
    batches = iter(dataset.prefetch(3))
    time_step = environment.current_time_step()
    policy_state = agent.collect_policy.get_initial_state(1)

    def advance(num_steps: int) -> None:
        nonlocal time_step, policy_state
        for _ in range(num_steps):
            time_step, policy_state = collect(time_step, policy_state)
            train(next(batches)[0])

    report(work, advance)


if __name__ == "__main__":
    main()
