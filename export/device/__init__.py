"""Explanations on a device: LiteRT, NumPy and Pillow, without TensorFlow."""
