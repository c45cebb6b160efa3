"""A host with ids of its own for sessions, whose tests never commit."""
