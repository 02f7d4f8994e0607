"""A replay as a Python list of whole transitions: slow, plain, one loop. Must not import erlctl."""

import numpy as np


class ListOfTransitions:
    """Keeps every transition of every environment, with stacked observations, for ever."""

    def __init__(self, num_envs, stack, n_step, gamma):
        self.stack, self.n_step, self.gamma = stack, n_step, gamma
        self.episodes = [[] for _ in range(num_envs)]  # [frames, actions, rewards, discounts]

    def begin(self, environment, frame):
        self.episodes[environment].append(([frame], [], [], []))

    def append(self, environment, action, reward, discount, frame):
        frames, actions, rewards, discounts = self.episodes[environment][-1]
        frames.append(frame)
        actions.append(action)
        rewards.append(reward)
        discounts.append(discount)

    def _stacked(self, frames, index):
        return np.stack([frames[max(index - back, 0)] for back in reversed(range(self.stack))])

    def transitions(self):
        """Every n-step transition whose n steps are over, keyed by (environment, episode, step)."""
        found = {}
        for environment, episodes in enumerate(self.episodes):
            for number, (frames, actions, rewards, discounts) in enumerate(episodes):
                is_running = number == len(episodes) - 1
                for t in range(len(actions)):
                    end = min(t + self.n_step, len(actions))
                    if is_running and end - t < self.n_step:
                        continue
                    reward = sum(self.gamma**i * rewards[t + i] for i in range(end - t))
                    discount = discounts[end - 1] * self.gamma ** (end - t - 1)
                    found[environment, number, t] = (
                        self._stacked(frames, t), self._stacked(frames, end), actions[t], reward,
                        discount,
                    )
        return found
