"""What the Makefile runs beside the published tools."""
