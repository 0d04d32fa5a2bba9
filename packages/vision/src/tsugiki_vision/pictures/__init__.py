"""Pictures on their way out: grids and PNG files."""
