"""The MovieLens world: users who rate what they are shown, and change by it."""
