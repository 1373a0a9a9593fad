"""Commands beside the measures: one module each."""
