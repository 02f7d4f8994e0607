"""erlctl's agent alone: compiled updates on one batch, without environment and replay."""

from __future__ import annotations

import tensorflow as tf
from run_erlctl import make_run
from tf_agents.trajectories import policy_step, trajectory
from tf_agents.trajectories import time_step as ts
from work import Work, report

from erlctl.agents import build_agent
from erlctl.agents.context import AgentContext
from erlctl.environments import registry as environments
from erlctl.experiment import resolve
from erlctl.training import seeding
from erlctl.training.seeding import Stream


def make_batch(environment: object, batch_size: int) -> trajectory.Transition:
    """Return a batch of transitions of ones with the environment's shapes."""
    spec = environment.observation_spec()
    observation = tf.ones([batch_size, *spec.shape], spec.dtype)
    step_type = tf.fill([batch_size], ts.StepType.MID)
    ones = tf.ones([batch_size])
    action_spec = environment.action_spec()
    action = tf.zeros([batch_size, *action_spec.shape], action_spec.dtype)
    moment = ts.TimeStep(step_type, ones, ones, observation)
    return trajectory.Transition(moment, policy_step.PolicyStep(action, (), ()), moment)


def main() -> None:
    """Build the agent as the program does, warm up, time."""
    work = Work.from_argv()
    run = make_run(work)
    generator = seeding.make_generator()
    environment = environments.make(run.environment.id, 1, generator)
    xla = resolve(run).training.compile == "xla"
    agent = build_agent(
        AgentContext(
            algorithm=run.agent, time_step_spec=environment.time_step_spec(),
            action_spec=environment.action_spec(), network=run.network, optimizer=run.optimizer,
            target_update_every=run.training.target_update_every,
            target_update_polyak=run.training.target_update_polyak,
            generator=generator, xla=xla,
            step=tf.Variable(0, dtype=tf.int64), total_steps=work.steps,
        )
    )
    agent.start(seeding.sequence(0, Stream.NETWORK))
    batch = make_batch(environment, work.batch_size)

    @tf.function(jit_compile=xla)
    def updates(count: tf.Tensor) -> tf.Tensor:
        def update(i: tf.Tensor) -> tuple[tf.Tensor]:
            agent.train(batch)
            return (i + 1,)

        return tf.while_loop(
            lambda i: i < count, update, [tf.constant(0)], parallel_iterations=1
        )[0]

    report(work, lambda count: updates(tf.constant(count)).numpy())


if __name__ == "__main__":
    main()
