"""The files of a results folder."""
