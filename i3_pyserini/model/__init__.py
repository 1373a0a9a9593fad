"""The I³ model: configuration, modules, texts, checkpoints, export, pseudo-query words."""
