"""Figures of records and reconstructions. matplotlib is imported only here."""
