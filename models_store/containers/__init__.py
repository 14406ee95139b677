"""Image files by their format: what Pillow reads rightly is read by Pillow, the rest is mended here or refused by name."""
