"""I2SB, and CDDB on its networks. See :mod:`invbench_solvers.i2sb.solver`."""
