"""What records say: means, intervals, comparisons, tables. No torch."""
