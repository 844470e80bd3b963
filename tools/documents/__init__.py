"""Pages that are made from the code and from measurements: docs/configuration.md, figures.md."""
