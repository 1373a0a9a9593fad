"""The demo: `compare` on docstrings of installed packages."""
