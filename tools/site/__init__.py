"""The course as a static site, for reading without running: `make site` -> dist/site."""
