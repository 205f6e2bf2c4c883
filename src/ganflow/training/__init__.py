"""Training: the loop over a model's players, its checkpoints and its outputs."""
