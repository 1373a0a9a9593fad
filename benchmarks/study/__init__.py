"""The study: does implicit interaction pay? README.md is its protocol."""
