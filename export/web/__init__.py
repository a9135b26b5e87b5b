"""A page that classifies in the browser."""
