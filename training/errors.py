"""What can go wrong in training, in words a user can act on.

TrainingError            base; the command line prints its message and exits with status 1
├── RecipeError          a recipe is unknown, or a key or value in it is wrong
├── DataError            the image folder cannot be used as it is
├── RunError             a run folder is missing, damaged, or belongs to another recipe or split
└── DiskError            a file could not be written
"""


class TrainingError(Exception):
    """Base of the errors whose message says what to do."""


class RecipeError(TrainingError):
    """A recipe is unknown, or a key or value in it is wrong."""


class DataError(TrainingError):
    """The image folder cannot be used as it is."""


class RunError(TrainingError):
    """A run folder is missing, damaged, or belongs to another recipe or split."""


class DiskError(TrainingError):
    """A file could not be written."""
