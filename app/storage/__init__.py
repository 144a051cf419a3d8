"""Everything that talks to Redis or Valkey, and nothing else does."""
