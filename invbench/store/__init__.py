"""The files of a results folder. No torch."""
