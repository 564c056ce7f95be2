"""First-party trackers, which register like those of third parties."""
