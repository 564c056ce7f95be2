"""invbench from Python: :func:`run`, :func:`load` and :func:`restore`, of which the command line is a thin layer."""
