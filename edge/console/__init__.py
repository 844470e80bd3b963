"""The page on the box."""
