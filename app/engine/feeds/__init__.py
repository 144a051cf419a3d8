"""Reading a feed under each strategy."""
