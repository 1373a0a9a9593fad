"""Makes pages of the reference from the code when the site is built."""
