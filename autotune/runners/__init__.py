"""Places where a trial can run, one file each."""
