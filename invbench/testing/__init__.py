"""The conformance tests: the laws that every plugin must obey, for plugin authors and for our own tests.

``check_operator`` raises at the first broken law of an operator; ``check_plugin`` lists its findings about a plugin.
From a shell, ``invbench check NAME`` prints the list and ``pytest --pyargs invbench.testing`` runs every check on
every installed plugin, one test each. Add ``-k NAME``, or set ``INVBENCH_CHECK=NAME``, for a single one.

Everything runs on the CPU, on problems so small that all our plugins together take about a minute. To this end a solver
whose field ``nfe`` or ``steps`` is above 10 is checked at 10, or at 20, 50 or 100 if it refuses fewer.
"""

from invbench.testing.findings import Finding
from invbench.testing.operators import check_operator
from invbench.testing.plugins import check_plugin

__all__ = ["Finding", "check_operator", "check_plugin"]
