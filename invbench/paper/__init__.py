"""Papers: their tables and claims as data, proxies of these on our benchmarks, and the verdicts."""
