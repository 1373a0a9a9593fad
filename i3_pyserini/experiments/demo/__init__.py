"""The demo: real text that every machine has, and what the model does with it."""
