"""The limit of the machine: updates/s if all arithmetic of DQN's update ran as one matrix product.

The product is that of the two hidden layers, torch's (MKL's) on one thread. An update is counted as
four passes through the network: online at s, target at s', and backwards twice as much as forwards.
"""

from __future__ import annotations

import itertools

import torch
from work import Work, report

OBSERVATION, ACTIONS = 4, 2  # CartPole's
PASSES = 4


def main() -> None:
    """Time products of the batch with the weights between the hidden layers."""
    work = Work.from_argv()
    torch.set_num_threads(1)
    sizes = (OBSERVATION, *work.hidden, ACTIONS)
    flop = PASSES * 2 * work.batch_size * sum(a * b for a, b in itertools.pairwise(sizes))
    inner, outer = work.hidden
    left, right = torch.rand(work.batch_size, inner), torch.rand(inner, outer)
    out = torch.empty(work.batch_size, outer)
    of_product = 2 * work.batch_size * inner * outer
    products = flop / of_product  # of which an update is made

    def advance(num_updates: int) -> None:
        for _ in range(round(num_updates * products)):
            torch.mm(left, right, out=out)

    report(work, advance)


if __name__ == "__main__":
    main()
