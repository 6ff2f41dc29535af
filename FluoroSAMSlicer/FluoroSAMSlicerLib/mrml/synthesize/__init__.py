"""The CT road in a scene: a CT and its labels become images with true masks, and training sets."""
