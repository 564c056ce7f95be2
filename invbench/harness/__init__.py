"""From a configuration to the records of a cell: measurements, solving, scoring, and resuming earlier runs."""
