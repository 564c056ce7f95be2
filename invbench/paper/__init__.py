"""The DAVI paper: its tables and claims as data, their twins on our records, and the verdicts. No torch."""
