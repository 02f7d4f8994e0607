"""Dictionaries and ridge regression as the papers print them, float64. Must not import erlctl."""

import numpy as np


def rbf(x, y):
    """exp(-|x - y|^2 / 2)."""
    return np.exp(-0.5 * np.sum((np.asarray(x, float) - np.asarray(y, float)) ** 2))


def ald(samples, nu, size, dictionary=()):
    """Engel, Mannor, Meir 2004: x enters if k(x, x) - k^T K^-1 k > nu, one after the other."""
    dictionary = list(dictionary)
    for x in samples:
        if len(dictionary) == size:
            break
        delta = 1.0
        if dictionary:
            K = np.array([[rbf(a, b) for b in dictionary] for a in dictionary])
            k = np.array([rbf(a, x) for a in dictionary])
            delta = rbf(x, x) - k @ np.linalg.solve(K, k)
        if delta > nu:
            dictionary.append(x)
    return np.array(dictionary)


def ridge(features, actions, y, num_actions, weight):
    """Weights [F, A]: for each action (F^T F + weight I)^-1 F^T y on its own rows."""
    size = features.shape[1]
    columns = []
    for a in range(num_actions):
        f = features[actions == a]
        columns.append(np.linalg.solve(f.T @ f + weight * np.eye(size), f.T @ y[actions == a]))
    return np.stack(columns, axis=1)
