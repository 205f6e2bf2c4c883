"""Methods: what a variant trains and how; one file each."""
