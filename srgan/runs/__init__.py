"""A run's files and where it stands: paths, checkpoints, weights, histories, the copy on Drive, progress, the machine."""
