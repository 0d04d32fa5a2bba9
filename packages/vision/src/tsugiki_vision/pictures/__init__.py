"""Pictures on their way in and out: processors, grids, PNG files."""
