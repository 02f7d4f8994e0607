"""Environments that live in Python or C++ on the host: Gym, Gymnasium, EnvPool, home-made ones."""
