"""The fan-out engine: publishing, delivering and reading; it knows neither Flask nor datasets."""
