"""Each module prints one table of the README."""
