"""Users, edges and first posts: generated or read from a file, loaded, verified."""
