"""Everything that speaks to Redis or Valkey, and nothing else does."""
