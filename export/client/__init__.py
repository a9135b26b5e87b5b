"""What a client of an exported model needs, with NumPy and Pillow alone."""
