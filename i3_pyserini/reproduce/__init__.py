"""Experiments as plans: named steps of commands, run in order, each skipped when it is done."""
