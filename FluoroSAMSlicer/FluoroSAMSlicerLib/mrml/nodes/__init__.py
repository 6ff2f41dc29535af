"""Nodes of a scene as plain data and back: volumes, segments, clicks, names, and the files they are kept in."""
