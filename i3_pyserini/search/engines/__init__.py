"""Vectors in a distributed vector engine, where one machine does not suffice."""
