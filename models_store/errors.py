"""What can be wrong with an image file.

PixelsError
├── UnsupportedFormat    not an image format that is read here
├── UndecodableImage     broken, truncated, too large, too small, or of a kind that is no photo
└── CropOutside          the image is fine, but what shall be cut out of it does not lie in it
"""


class PixelsError(ValueError):
    """Base of what can be wrong with an image file; the message is fit for a client."""


class UnsupportedFormat(PixelsError):
    """The file is of no image format that is read here."""


class UndecodableImage(PixelsError):
    """The file is of a format we read, but cannot be turned into pixels within the limits."""


class CropOutside(PixelsError):
    """The part of an image that is asked for does not lie in it."""
