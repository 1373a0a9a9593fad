"""A self-contained page about runs, with tables, figures and their numbers."""
