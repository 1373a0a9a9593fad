"""The documentation: Markdown that reads well on GitHub, and what makes a site of it."""
