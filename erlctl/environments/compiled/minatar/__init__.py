"""The five MinAtar games (Young and Tian 2019, arXiv:1903.03176), equal to MinAtar 1.0.15's."""
