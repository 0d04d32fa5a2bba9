"""The plugin that the core's tests run on, so that they need none of the project's own."""
