"""Golden vectors: thirteen targets on four transitions, nine decimals. Must not import erlctl.

The transitions hold ties, a terminal (the third) and values near 1000; gamma = 0.99.
"""

import numpy as np

GAMMA = 0.99
Q_T = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [5.0, -5.0, 0.0], [1000.0, 999.0, 998.0]])
Q_TP1 = np.array([[2.0, 1.0, 0.0], [-1.0, 1.0, 1.0], [7.0, 7.0, 7.0], [500.0, 1500.0, -500.0]])
ONLINE_Q_TP1 = np.array([[0.0, 3.0, 1.0], [2.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 9.0]])
A_T = np.array([0, 1, 1, 2])
R_TP1 = np.array([1.0, -0.5, 0.0, 2.0])
DISCOUNT_TP1 = GAMMA * np.array([1.0, 1.0, 0.0, 1.0])

BATCH = {
    "q_t": Q_T, "a_t": A_T, "r_tp1": R_TP1, "discount_tp1": DISCOUNT_TP1, "q_tp1": Q_TP1,
}

TARGETS = {
    "dqn": [2.98, 0.49, 0.0, 1487.0],
    "double_dqn": [1.99, -1.49, 0.0, -493.0],
    "soft_dqn t=.5": [3.050751156, 0.837620344, 0.0, 1487.0],
    "advantage_learning alpha=.9": [1.18, 0.49, -9.0, 1485.2],
    "advantage_learning persistent alpha=.9": [2.98, 0.49, 0.0, 1485.2],
    "dpp logsumexp t=.5": [0.979285342, 0.288314200, -10.000022700, 1484.928534186],
    "dpp boltzmann t=.5": [0.981490629, 0.472032065, -9.999772990, 1485.149062908],
    "dpp bounded logsumexp t=.5 clip=-1": [2.050751156, 0.288314200, -1.0, 1486.0],
    "cvi mellowmax alpha=.9 t=.5": [1.136994370, 0.293807261, -8.505644901, 1485.086243214],
    "original_dpp alpha=.9 t=1": [1.141768934, 0.364509702, -8.969477683, 1485.582310656],
    "munchausen_dqn alpha=.9 t=.03 clip=-1": [2.08, 0.480923939, -0.9, 1486.1],
    "munchausen_dqn alpha=.9 t=1": [1.216684537, 0.252286379, -9.006084399, 1484.833154632],
    # h_target(s, .) = q_t and q_online(s, .) = q_tp1.
    "momentum_dqn companion beta=.75": [1.25, 0.25, -2.0, 623.5],
}
