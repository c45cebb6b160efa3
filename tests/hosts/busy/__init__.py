"""A host whose pages are never at rest: polling, forms everywhere, async views, its own policy."""
