"""Parts of `try`."""
