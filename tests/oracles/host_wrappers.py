"""Wrappers of one stream of observations and rewards, in plain loops. Must not import erlctl."""

import numpy as np


def stacked(episodes, size):
    """Return the stack of `size` frames at each frame of each episode (first frame repeated)."""
    rows = []
    for frames in episodes:
        rows += [
            [frames[max(index - back, 0)] for back in reversed(range(size))]
            for index in range(len(frames))
        ]
    return np.array(rows)


def normalised(history, value, clip):
    """Return (value - mean) / sqrt(population variance + 1e-8) of a whole history, clipped."""
    history = np.asarray(history, np.float64)
    scaled = (value - history.mean(0)) / np.sqrt(history.var(0) + 1e-8)
    return np.clip(scaled, -clip, clip)


def training_reward(reward, scale, clip):
    """Return scale * reward, cut to [-clip, clip]."""
    return min(max(scale * reward, -clip), clip)


def repeated(rewards, ends, count):
    """Return the reward sums of steps of `count` repetitions that stop at an end."""
    sums, total, done = [], 0.0, 0
    for reward, end in zip(rewards, ends, strict=True):
        total, done = total + reward, done + 1
        if end or done == count:
            sums.append(total)
            total, done = 0.0, 0
    return sums
