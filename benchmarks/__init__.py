"""What the library costs, beside code that does the same without it."""
