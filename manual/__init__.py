"""Manual pages, made of the commands' own options and the tables of README.md and docs/: `python -m manual`."""
