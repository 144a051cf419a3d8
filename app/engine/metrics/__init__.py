"""What the engine counts and reports."""
