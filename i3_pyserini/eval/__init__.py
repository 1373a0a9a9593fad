"""Run files and qrels to measures, through ir-measures."""
