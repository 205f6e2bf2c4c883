"""Sources: where a dataset's archives come from; one file each."""
