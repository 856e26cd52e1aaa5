"""What goes wrong in the systems people use, and cannot happen here: one test for each pain."""
