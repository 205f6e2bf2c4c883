"""Training: the loop over declared updates, its state and its journal."""
