"""Methods: objectives, constraints and optimisers, and the updates they make."""
