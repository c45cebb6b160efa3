"""A host with an API for machines beside its pages, and a sign-in that speaks JSON."""
