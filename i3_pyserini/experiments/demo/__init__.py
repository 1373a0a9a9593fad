"""The demo: training and search on docstrings of installed packages."""
