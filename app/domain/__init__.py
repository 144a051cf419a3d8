"""Rules that know neither Flask nor Redis."""
