"""The algorithm: one update of each stage, the loop around it, and resuming."""
