"""Papers: their tables and claims as data, proxies of these on our records, and the verdicts. No torch."""
