"""The radiograph road in a scene: a name or a click becomes a prompt, a request, a mask, a segment."""
