"""Specs with one mistake each, and what every command says about it.

`in_schema` marks mistakes of structure, which a JSON Schema can express.
"""

from __future__ import annotations

from dataclasses import dataclass

HEAD = "name: broken\n"
CARTPOLE = f"{HEAD}environment: {{id: CartPole-v1}}\n"
DQN = "agent: {algorithm: dqn}\n"
BASE = CARTPOLE + DQN
KERNEL = f"{CARTPOLE}agent: {{algorithm: kernel_dpp}}\nnetwork: {{type: features}}\n"
BREAKOUT = f"{HEAD}environment: {{id: MinAtar/Breakout-v1}}\n{DQN}"


@dataclass(frozen=True)
class Broken:
    """A spec that no command accepts.

    Attributes:
        name: What is wrong.
        text: The file.
        says: Part of the one line that is said about it, from the line number on.
        in_schema: Whether the JSON Schema refuses it as well.
    """

    name: str
    text: str
    says: str
    in_schema: bool = False


def environment(fields: str) -> str:
    return f"{HEAD}environment: {{{fields}}}\n{DQN}"


def conv(fields: str) -> str:
    return f"{BREAKOUT}network: {{type: conv, {fields}}}\n"


STRUCTURE = [
    Broken("no name", BASE.removeprefix(HEAD), "1:1: missing key 'name'", True),
    Broken("name is no folder", BASE.replace("broken", "a/b"), "1:7: name: must be a folder", True),
    Broken("no environment", HEAD + DQN, "1:1: missing key 'environment'", True),
    Broken("no id", environment("num_envs: 2"), "2:14: environment: missing key 'id'", True),
    Broken("no agent", CARTPOLE, "1:1: missing key 'agent'", True),
    Broken("no algorithm", f"{CARTPOLE}agent: {{gamma: 0.9}}\n",
           "3:8: agent: missing key 'algorithm'", True),
    Broken("unknown section", f"{BASE}trainig: {{}}\n",
           "4:1: trainig: unknown key 'trainig'; did you mean 'training'?", True),
    Broken("unknown key", f"{BASE}training: {{step: 3}}\n", "4:12: training.step: unknown key",
           True),
    Broken("unknown algorithm", f"{CARTPOLE}agent: {{algorithm: dqm}}\n",
           "3:20: agent.algorithm: unknown algorithm 'dqm'; did you mean 'dqn'?", True),
    Broken("field of another algorithm", f"{CARTPOLE}agent: {{algorithm: dqn, alpha: 0.9}}\n",
           "3:25: agent.alpha: 'alpha' is a field of advantage_learning, ", True),
    Broken("out of domain", f"{CARTPOLE}agent: {{algorithm: dqn, gamma: 1.5}}\n",
           "3:32: agent.gamma: must be in [0, 1], got 1.5", True),
    Broken("not a number", f"{BASE}optimizer: {{learning_rate: fast}}\n",
           "4:28: optimizer.learning_rate: expected a number, got the text 'fast'", True),
    Broken("not whole", f"{BASE}training: {{steps: 1.5}}\n",
           "4:19: training.steps: expected a whole number, got the number 1.5", True),
    Broken("not a list", f"{BASE}network: {{hidden: 64}}\n",
           "4:19: network.hidden: expected a list such as [64, 64]", True),
    Broken("not a mapping", f"{BASE}logging: 3\n", "4:10: logging: expected a mapping", True),
    Broken("unknown choice", f"{BASE}training: {{compile: xlaa}}\n",
           "4:21: training.compile: unknown choice 'xlaa'; did you mean 'xla'?", True),
    Broken("schedule without steps",
           f"{CARTPOLE}agent: {{algorithm: dqn, collect_policy: "
           "{type: epsilon_greedy, epsilon: {start: 1, end: 0}}}\n",
           "3:73: agent.collect_policy.epsilon: missing key 'steps'", True),
    Broken("unknown policy", f"{BASE}evaluation: {{policy: {{type: greddy}}}}\n",
           "4:29: evaluation.policy.type: unknown policy 'greddy'; did you mean 'greedy'?", True),
    Broken("another schema", f"schema: 2\n{BASE}", "1:9: schema: must be 1, got 2", True),
    Broken("no seeds", f"{BASE}seeds: 0\n", "4:8: seeds: must be 1 to 10000 seeds", True),
    Broken("seeds by exponent", f"{BASE}seeds: 1e1\n", "4:8: seeds: expected a number of seeds"),
    Broken("a seed by exponent", f"{BASE}seeds: [1e6]\n", "4:8: seeds: expected a seed, a whole"),
    Broken("seed in an experiment", f"{BASE}seed: 1\n",
           "4:1: seed: unknown key 'seed'; did you mean 'seeds'?", True),
    Broken("empty sweep", f"{BASE}sweep: {{agent.gamma: 3}}\n",
           "4:22: sweep.agent.gamma: expected a list of values", True),
    Broken("twice", f"{BASE}name: again\n", "4:1: name: duplicate key"),
    Broken("no YAML", f"{BASE}training: {{\n", "4:11: this '{' is not closed"),
]
TOGETHER = [
    Broken("batch beyond replay", f"{BASE}training: {{batch_size: 9, replay_capacity: 5}}\n",
           "4:24: training.batch_size: must be at most replay_capacity (5), got 9"),
    Broken("steps no multiple", f"{environment('id: CartPole-v1, num_envs: 3')}"
           "training: {steps: 10}\n",
           "4:19: training.steps: must be a multiple of environment.num_envs (3)"),
    Broken("kernels of another number", conv("filters: [32, 64], strides: [1, 1]"),
           "4:10: network.kernels: must be a list of 2, as `filters` is"),
    Broken("strides of another number", conv("filters: [8], strides: [1, 1]"),
           "4:46: network.strides: must be a list of 1, as `filters` is"),
    Broken("dueling without values",
           f"{CARTPOLE}agent: {{algorithm: iqn}}\nnetwork: {{dueling: mean}}\n",
           "4:20: network.dueling: iqn has heads other than action values"),
    Broken("dueling of an actor", f"{HEAD}environment: {{id: Pendulum-v1}}\n"
           "agent: {algorithm: sac}\nnetwork: {dueling: max}\n",
           "4:20: network.dueling: sac has heads other than action values"),
]
ENVIRONMENT = [
    Broken("unknown id", environment("id: Acrobot-v2"),
           "2:19: environment.id: unknown environment 'Acrobot-v2'; did you mean 'Acrobot-v1'?"),
    Broken("unknown compiled id", environment("id: Acrobot-v2, backend: compiled"),
           "2:19: environment.id: unknown environment 'Acrobot-v2'; did you mean 'Acrobot-v1'?"),
    Broken("unknown gym id", environment("id: CartPol-v1, backend: gym"),
           "2:19: environment.id: unknown gym environment 'CartPol-v1'; did you mean 'CartPole"),
    Broken("host id in a wrong backend", environment("id: CartPole, backend: python"),
           "2:19: environment.id: with backend python it is module:factory, got 'CartPole'"),
    Broken("misspelt argument", environment("id: CartPole-v1, kwargs: {time_limt: 9}"),
           "2:52: environment.kwargs.time_limt: unknown key 'time_limt'; did you mean 'time_limit",
           True),
    Broken("ill-typed argument", environment("id: CartPole-v1, kwargs: {time_limit: many}"),
           "2:53: environment.kwargs.time_limit: expected a whole number, got the text 'many'",
           True),
    Broken("argument out of domain", environment("id: Breakout-MinAtar, kwargs: "
                                                 "{sticky_action_probability: 2}"),
           "2:73: environment.kwargs.sticky_action_probability: must be in [0, 1], got 2", True),
    Broken("argument of unknown choice", environment("id: Chain, kwargs: {observation: onehot}"),
           "2:48: environment.kwargs.observation: unknown choice 'onehot'; did you mean", True),
    Broken("arguments that do not fit", environment("id: Garnet, kwargs: {branching: 31}"),
           "2:47: environment.kwargs.branching: must be from 1 to num_states = 30, got 31"),
    Broken("a table for no memory", environment("id: Garnet, kwargs: {num_states: 20000}"),
           "2:48: environment.kwargs.num_states: must be smaller: the table of 20,000 states and 4 "
           "actions needs 12 GiB of memory; at most 4 are allowed, got 20000"),
    Broken("a grid for no memory", environment("id: GridWorld, kwargs: {size: 120}"),
           "2:45: environment.kwargs.size: must be smaller: the table of 14,400 states and 4 "),
    Broken("no time limit", environment("id: Chain, kwargs: {time_limit: null}"),
           "2:47: environment.kwargs.time_limit: Chain has no time limit then"),
    Broken("wrapper on a compiled environment",
           environment("id: CartPole-v1, wrappers: {time_limit: 9}"),
           "2:55: environment.wrappers.time_limit: compiled environments have no wrappers: write "),
    Broken("subprocess of a compiled environment",
           environment("id: CartPole-v1, vectorise: subprocess"),
           "2:43: environment.vectorise: compiled environments run in the compiled program"),
    Broken("host argument", environment("id: CartPole-v1, backend: gym, kwargs: {time_limt: 9}"),
           "2:19: environment.id: environment CartPole-v1 cannot be made: TypeError"),
    Broken("host package missing", environment("id: LunarLander-v2, backend: gym"),
           "2:19: environment.id: environment LunarLander-v2 cannot be made: "),
]
FIT = [
    Broken("initial checkpoint of no run",
           f"{BASE}training: {{initial_checkpoint: runs/nope@best}}\n",
           "4:32: training.initial_checkpoint: there is no run runs/nope"),
    Broken("discrete algorithm, continuous actions",
           f"{HEAD}environment: {{id: Pendulum-v1}}\n{DQN}",
           "3:20: agent.algorithm: dqn needs discrete actions; Pendulum-v1 has continuous ones"),
    Broken("continuous algorithm, discrete actions", f"{CARTPOLE}agent: {{algorithm: sac}}\n",
           "3:20: agent.algorithm: sac needs continuous actions; CartPole-v1 has discrete ones"),
    Broken("discrete algorithm, continuous host actions",
           environment("id: MountainCarContinuous-v0"),
           "3:20: agent.algorithm: dqn needs discrete actions; MountainCarContinuous-v0 has cont"),
    Broken("convolution of a row", f"{BASE}network: {{type: conv}}\n",
           "4:17: network.type: conv needs observations [height, width, channels]; CartPole-v1"),
    Broken("convolution of a host row",
           f"{environment('id: CartPole-v1, backend: gym')}network: {{type: conv}}\n",
           "4:17: network.type: conv needs observations [height, width, channels]; CartPole-v1"),
    Broken("convolution of a continuous critic", f"{HEAD}environment: {{id: Pendulum-v1}}\n"
           "agent: {algorithm: sac}\nnetwork: {type: linear}\n",
           "4:17: network.type: sac has fully connected networks only; write `type: mlp`"),
    Broken("grid of too many features",
           f"{BREAKOUT}network: {{type: features, features: rbf_grid, points: 3}}\n",
           "4:55: network.points: 10^190 features need 10^184 GiB of memory; at most 1 GiB is "
           "allowed, which `features: fourier` keeps to"),
    Broken("grid of more features than a float counts",
           f"{BREAKOUT}network: {{type: features, features: rbf_grid, points: 9}}\n",
           "4:55: network.points: 10^381 features need 10^375 GiB of memory; at most 1 GiB is "
           "allowed, which `features: fourier` keeps to"),
    Broken("too many features", f"{BASE}network: {{type: features, count: 2000000}}\n",
           "4:34: network.count: 2,000,000 features need 1.5 GiB of memory; at most 1 GiB is "
           "allowed, which `count: "),
    Broken("lengthscales of another number",
           f"{BASE}network: {{type: features, lengthscale: [1, 2]}}\n",
           "4:40: network.lengthscale: CartPole-v1's observations have 4 entries"),
    Broken("landmarks before there are observations",
           f"{BASE}network: {{type: features, features: nystroem, count: 64}}\n"
           "training: {learning_starts: 64}\n",
           "5:29: training.learning_starts: 64 landmarks are drawn from the replay"),
    Broken("a solver on a network that descends",
           f"{CARTPOLE}agent: {{algorithm: kernel_dpp}}\nnetwork: {{type: mlp}}\n",
           "4:17: network.type: kernel_dpp is linear in fixed features; write `type: features`"),
    Broken("an optimiser of a solver", f"{KERNEL}optimizer: {{type: sgd}}\n",
           "5:12: optimizer: kernel_dpp solves for its weights and has none: remove this section"),
    Broken("targets of a solver", f"{KERNEL}training: {{target_update_every: 7}}\n",
           "5:33: training.target_update_every: kernel_dpp solves for its weights, for which"),
    Broken("a dictionary of a solver in XLA",
           f"{CARTPOLE}agent: {{algorithm: kernel_dpp}}\n"
           "network: {type: features, features: ald}\ntraining: {compile: xla}\n",
           "5:21: training.compile: a dictionary that grows in every update is more than XLA"),
    Broken("more features in a batch than XLA compiles",
           f"{CARTPOLE}agent: {{algorithm: dqn}}\n"
           "network: {type: features, count: 8192}\ntraining: {batch_size: 512}\n",
           "5:11: training.compile: 8,192 features of 512 observations are more than XLA compiles"),
    Broken("too many features to solve for",
           f"{CARTPOLE}agent: {{algorithm: kernel_dpp}}\n"
           "network: {type: features, count: 20000}\n",
           "4:34: network.count: 20,000 features need 17.9 GiB of memory; at most 1 GiB is "
           "allowed, which `count: 4"),
    Broken("continuous actions of a solver",
           f"{HEAD}environment: {{id: Pendulum-v1}}\nagent: {{algorithm: kernel_dpp}}\n"
           "network: {type: features}\n",
           "3:20: agent.algorithm: kernel_dpp needs discrete actions; Pendulum-v1 has continuous"),
    Broken("factors for a solver",
           f"{HEAD}environment: {{id: Reacher}}\nagent: {{algorithm: kernel_dpp}}\n"
           "network: {type: features}\n",
           "3:20: agent.algorithm: kernel_dpp needs discrete actions; Reacher has multi_discrete"),
    Broken("factors for an algorithm of one choice",
           f"{HEAD}environment: {{id: Reacher}}\n{DQN}",
           "3:20: agent.algorithm: dqn needs discrete actions; Reacher has multi_discrete ones "
           "(multi-discrete [3, 3, 3, 3]: torque -1, 0 or 1 at each joint), for which there are: "
           "factorial_dpp; or write `environment.kwargs.actions: joint`, which makes 81"),
    Broken("more factors than a joint action has",
           f"{HEAD}environment: {{id: Reacher, kwargs: {{num_joints: 7}}}}\n{DQN}",
           "3:20: agent.algorithm: dqn needs discrete actions; Reacher has multi_discrete ones "
           "(multi-discrete [3, 3, 3, 3, 3, 3, 3]: torque -1, 0 or 1 at each joint), for which "
           "there are: factorial_dpp\n"),
    Broken("a planner without a table", f"{CARTPOLE}agent: {{algorithm: tabular_dpp}}\n",
           "3:20: agent.algorithm: tabular_dpp plans on the table of a compiled tabular "
           "environment (Bandit, Chain, CombinationLock, Garnet, GridWorld, NoisyMaze), which "
           "CartPole-v1 is not; the nearest agent is dpp"),
    Broken("one choice for an algorithm of factors",
           f"{CARTPOLE}agent: {{algorithm: factorial_dpp}}\n",
           "3:20: agent.algorithm: factorial_dpp needs multi_discrete actions; CartPole-v1 has "
           "discrete ones"),
    Broken("too many joint actions",
           f"{HEAD}environment: {{id: Reacher, kwargs: {{num_joints: 20, actions: joint}}}}\n{DQN}",
           "2:62: environment.kwargs.actions: must be factored for more than 6 joints: there are "
           "3,486,784,401 joint actions"),
    Broken("kernel beyond the picture", conv("kernels: [11]"),
           "4:33: network.kernels[0]: 11 is more than what this convolution gets: 10 pixels"),
    Broken("second kernel beyond the picture",
           conv("filters: [8, 8], kernels: [8, 4], strides: [1, 1]"),
           "4:53: network.kernels[1]: 4 is more than what this convolution gets: 3 pixels"),
]
BROKEN = [*STRUCTURE, *TOGETHER, *ENVIRONMENT, *FIT]
