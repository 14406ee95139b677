"""The original images, fetched from Kaggle with the user's own credentials and Kaggle's own command."""

import shutil
import subprocess
import zipfile
from pathlib import Path, PurePosixPath

from models_store import image_files, temporary
from training.atomic_files import need_space
from training.errors import DataError, DiskError

COMPETITION = "plant-seedlings-classification"
_HELP = "put your API token where the command 'kaggle' finds it, and accept the competition's rules on its page once"

_TEMPORARY = ".fetching-"  # a folder beside the new one


def fetch(folder: Path) -> int:
    """Download the competition's archive and lay its training images out as `folder/<species>/`. Returns their number.

    Raises DataError when the folder is not empty, Kaggle's command is missing or refuses, or its archive is not what it
    was; DiskError when it cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty; give a new folder")
    command = shutil.which("kaggle")
    if command is None:
        raise DataError("the command 'kaggle' is not installed; 'pip install kaggle', then " + _HELP)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary.remove_abandoned(folder.parent, _TEMPORARY)
        with temporary.folder(folder.parent, _TEMPORARY) as made:
            done = subprocess.run([command, "competitions", "download", "-c", COMPETITION, "-p", made], check=False)  # noqa: S603
            archive = made / f"{COMPETITION}.zip"
            if done.returncode or not archive.is_file():
                raise DataError(f"Kaggle gave no archive (exit status {done.returncode}); {_HELP}")
            laid_out = made / "images"
            images = _lay_out(archive, laid_out)
            if folder.exists():
                folder.rmdir()
            laid_out.rename(folder)
    except OSError as error:
        raise DiskError(f"{folder} cannot be written ({error.strerror}); free space or give write access") from error
    return images


def _lay_out(archive: Path, folder: Path) -> int:
    """Unpack `train/<species>/<image>` of the archive as `folder/<species>/<image>`."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            images = {}
            for entry in zipped.infolist():
                path = PurePosixPath(entry.filename)
                if len(path.parts) == 3 and path.parts[0] == "train" and ".." not in path.parts and image_files.is_image(path.name):
                    images[entry] = folder / path.parts[1] / path.name
            need_space(folder, sum(entry.file_size for entry in images))
            for entry, file in images.items():
                file.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(entry) as source, file.open("wb") as target:
                    shutil.copyfileobj(source, target)
    except zipfile.BadZipFile:
        raise DataError(f"the archive of Kaggle is damaged; fetch it again, and {_HELP}") from None
    if not images:
        raise DataError("the archive of Kaggle holds no train/<species>/<image>; it has changed, unpack it by hand")
    return len(images)
