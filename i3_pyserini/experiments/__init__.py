"""Reproductions: named conditions with exact commands and the scores that they should give."""
