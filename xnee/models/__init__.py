"""From windows to a model: the only room with tensors."""
