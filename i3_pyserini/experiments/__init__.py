"""Named experiments with exact commands and expected scores, `compare`, and the demo."""
