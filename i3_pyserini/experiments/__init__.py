"""Reproductions: named experiments with exact commands and the scores that they should give."""
