"""Figures: what is drawn of records and reconstructions. matplotlib is imported here alone."""
