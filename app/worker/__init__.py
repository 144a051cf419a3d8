"""The process that makes the deliveries."""
