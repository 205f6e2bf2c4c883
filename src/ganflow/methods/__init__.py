"""Methods: what a variant trains, with the objectives, constraints and optimisers that it is composed of."""
