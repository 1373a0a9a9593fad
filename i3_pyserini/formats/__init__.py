"""File formats: one reader and one writer for each kind of file. Knows no model and no torch."""
