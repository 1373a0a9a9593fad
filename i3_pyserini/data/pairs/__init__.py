"""Training data as pairs, triplets, scored candidates or clicks: read, checked and written."""
