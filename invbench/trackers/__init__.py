"""Trackers of ours, which come in through the same door as those of others."""
