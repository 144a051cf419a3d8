"""The pages: the demo, how it works, status."""
