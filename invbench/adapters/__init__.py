"""Adapters to deepinv, whose images are in [0, 1]: its physics and samplers for invbench, our solvers for deepinv."""
