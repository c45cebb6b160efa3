"""A host that confirms addresses, and whose hooks look at every request."""
