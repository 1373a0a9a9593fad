"""Collections in other people's forms, read as one: passages, splits, topics, judgements."""
