"""HTTP: the JSON API, the pages, Prometheus text."""
