"""What the store of models raises, as errors of training."""

import contextlib
from collections.abc import Iterator

from models_store import store
from training.errors import DiskError, TrainingError


@contextlib.contextmanager
def as_training_errors() -> Iterator[None]:
    """Raise DiskError where a version could not be written, and TrainingError, naming the file, where one could not be read."""
    try:
        yield
    except store.PublishFailed as error:
        raise DiskError(str(error)) from None
    except store.StoreError as error:
        raise TrainingError(str(error)) from None
