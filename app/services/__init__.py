"""What the product does, one file for each thing it does."""
