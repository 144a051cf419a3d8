"""Making the deliveries: workers, reclaiming, releases, dead letters, repair."""
