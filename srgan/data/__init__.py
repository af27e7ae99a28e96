"""Photos: where they come from, how they are prepared, and the batch of each step."""
