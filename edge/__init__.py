"""City Edge: suspected street violations, with evidence, from a box on a pole."""

__version__ = "0.1.0"
