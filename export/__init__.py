"""From a trained model to files that run without this library."""
