"""Everything around the product: the local stack, the build and the checks."""
