"""Sources of a dataset's archives; one file each."""
