"""From records to results: means, intervals, comparisons, tables."""
