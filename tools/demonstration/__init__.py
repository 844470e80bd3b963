"""The demonstration: the whole chain on the project's own clips, with a page at the end."""
