"""TensorFlow Serving: the files that it needs, and a client."""
