"""invbench from Python: :func:`run`, :func:`load` and :func:`restore`."""
