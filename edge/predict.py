"""Tells the species on photos with onnxruntime, Pillow and numpy alone: the one file to copy to a small machine, beside a model.

`python3 predict.py MODEL PHOTO…` prints a line of JSON for each photo. MODEL is a folder with the `model.onnx` and `manifest.json` of
`python -m training export --format onnx`. With `--second MODEL` another model answers what the first one finds unfamiliar. Fields and
values are those of the service's `POST /predict`; docs/edge.md says what differs.
"""

import argparse
import hashlib
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

try:
    import numpy as np
    import onnxruntime  # type: ignore[import-untyped]
    from numpy.typing import NDArray
    from PIL import Image, ImageCms, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
except ModuleNotFoundError as missing:
    raise SystemExit(f"error: {missing.name} is not installed; run: pip install onnxruntime pillow") from None

MODEL, MANIFEST = "model.onnx", "manifest.json"
SCHEMA_VERSION = 2  # of the manifests that are understood here
MAX_PIXELS = 64_000_000
MAX_WEBP_PIXELS = 25_000_000  # it is always decoded whole, and takes far more memory than its pixels
MIN_SIDE = 8  # pixels
RANKS = ("species", "kind", "group")  # of what is said, narrowest first
DIGITS = 7  # of a probability
NEAR_LIMIT = 0.85  # from this share of the limit of familiar photos on a second model is asked, as service/inference/second_model.py has it
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by EXIF orientation
_TURNED = (5, 6, 7, 8)  # orientations that swap width and height
_ORIENTATION = 0x0112  # EXIF tag
_PROFILE_SPACES = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}
_PROFILE_CLASSES = (b"scnr", b"mntr", b"prtr", b"spac")  # devices and colour spaces; others are not for images


class UnusableModel(Exception):
    """The folder of the model lacks something, or holds what does not fit."""


class UnreadablePhoto(Exception):
    """A photo that is not answered; the message says why and what to do."""


class Model:
    """A published version with a `model.onnx`."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        """Load it; 0 threads: one a core. Raises UnusableModel."""
        self._manifest = _read_manifest(folder)
        content = _read(folder / MODEL)
        if hashlib.sha256(content).hexdigest() != self._manifest["files"][MODEL]:
            raise UnusableModel(f"{folder / MODEL} is not the file that {MANIFEST} names (SHA-256); copy both again, from one version")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own kinds
            reason = str(error).splitlines()[0][:200]
            raise UnusableModel(f"{folder / MODEL} cannot be loaded ({reason}); try a newer onnxruntime") from None

    @property
    def species(self) -> list[str]:
        """Their names, in the order of the probabilities."""
        return [one["name"] for one in self._manifest["species"]]

    def answer(self, body: bytes) -> dict[str, Any]:
        """What is on a photo, from the content of its file. Raises UnreadablePhoto."""
        manifest, calibration = self._manifest, self._manifest["calibration"]
        pixels, crop = square(body, manifest["input"]["size"])
        outputs = self._session.run(None, {"images": pixels[None]})
        probabilities = outputs[0][0].tolist()
        distance = float(outputs[1][0]) if len(outputs) > 1 else None
        familiarity = calibration.get("familiarity")
        familiar = None if familiarity is None or distance is None else distance <= familiarity["limit"]
        said = None if familiar is False else narrowest(manifest["species"], calibration, probabilities)
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        named = manifest["species"][best]
        promise = calibration.get("promise")
        return {
            "answer": said,
            "species": named["name"],
            "scientific_name": named.get("scientific_name"),
            "eppo_code": named.get("eppo_code"),
            "probability": round(probabilities[best], DIGITS),
            "group": named.get("group"),
            "confident": said is not None and said["rank"] == "species",
            "threshold": calibration["threshold"],
            **({} if promise is None else {"promise": promise}),
            **({} if familiar is None else {"familiar": familiar}),
            "ood_score": distance,
            "ood_limit": None if familiarity is None else familiarity["limit"],
            "crop": crop,
            "probabilities": {one["name"]: round(p, DIGITS) for one, p in zip(manifest["species"], probabilities, strict=True)},
            "model": {"name": manifest["name"], "version": str(manifest["version"])},
        }


def answer(body: bytes, first: Model, second: Model | None) -> dict[str, Any]:
    """What `first` says; where it can rely on nothing, and finds the photo unfamiliar or nearly so, what `second` says.

    Raises UnreadablePhoto.
    """
    said = first.answer(body)
    score, limit = said["ood_score"], said["ood_limit"]
    beyond = said["answer"] is None and score is not None and limit is not None and score > NEAR_LIMIT * limit
    return second.answer(body) if second is not None and beyond else said


def narrowest(species: Sequence[dict[str, Any]], calibration: dict[str, Any], probabilities: Sequence[float]) -> dict[str, Any] | None:
    """The narrowest statement that reaches its threshold, as `models_store/rollup.py` has it; None where none does."""
    best = species[max(range(len(species)), key=probabilities.__getitem__)]
    for rank in RANKS:
        limits = calibration if rank == "species" else calibration.get(rank) or {}
        threshold, key = limits.get("threshold"), "name" if rank == "species" else rank
        name = best.get(key)
        if threshold is None or name is None:
            continue
        total = sum(p for one, p in zip(species, probabilities, strict=True) if one.get(key) == name)
        probability = min(1.0, round(total, DIGITS))
        if probability >= threshold:
            return {"rank": rank, "name": name, "probability": probability}
    return None


def square(body: bytes, size: int) -> tuple[NDArray[np.uint8], list[float]]:
    """The central square of a photo: uint8 [3, size, size], RGB, as `models_store/pixels.py` makes it for the service.

    And where it lies: x, y, width and height in pixels of the upright photo. Raises UnreadablePhoto.
    """
    kind, reader = _reader(body)
    try:
        with reader(io.BytesIO(body)) as image:
            width, height = image.size
            _check_size(width, height, MAX_WEBP_PIXELS if kind == "WEBP" else MAX_PIXELS)
            image.draft(None, (2 * size, 2 * size))  # a JPEG is decoded at the smallest scale that has these pixels
            image.load()
            if kind == "PNG":  # text may repeat what eXIf says, or contradict it
                for key in ("Raw profile type exif", "XML:com.adobe.xmp"):
                    image.info.pop(key, None)
            orientation = _orientation(image)
            scaled = _scaled(image, size)
            upright = scaled.transpose(_TRANSPOSE[orientation]) if orientation in _TRANSPOSE else scaled
            colours = _srgb(upright, image.info.get("icc_profile"))
    except UnreadablePhoto:
        raise
    except Exception as error:  # truncated or damaged, as each format's reader puts it
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise UnreadablePhoto(f"the {kind} cannot be decoded: {reason}; save the photo anew, as a PNG or a JPEG") from None
    if colours.mode == "RGBA":
        colours = Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")
    if orientation in _TURNED:
        width, height = height, width
    side = min(width, height)
    crop = [_number(value) for value in ((width - side) / 2, (height - side) / 2, side, side)]
    return np.ascontiguousarray(np.asarray(colours).transpose(2, 0, 1)), crop


def _reader(body: bytes) -> tuple[str, Callable[[io.BytesIO], ImageFile.ImageFile]]:
    if body.startswith(b"\xff\xd8\xff"):
        return "JPEG", JpegImagePlugin.JpegImageFile  # not Pillow's own choice, which looks through all pictures of an MPO
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", PngImagePlugin.PngImageFile
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "WEBP", WebPImagePlugin.WebPImageFile
    raise UnreadablePhoto("the file is no JPEG, PNG or WebP; save it as one of these" if body else "the file is empty")


def _check_size(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise UnreadablePhoto(f"the image has {width}×{height} pixels, more than the {most} allowed; scale it down")
    if min(width, height) < MIN_SIDE:
        raise UnreadablePhoto(f"the image has {width}×{height} pixels; each side needs at least {MIN_SIDE}")


def _orientation(image: Image.Image) -> object:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block is no reason to refuse the pixels
        return 1


def _scaled(image: Image.Image, size: int) -> Image.Image:
    """The central square as it is stored: L, LA, RGB, RGBA or CMYK."""
    if image.mode == "CMYK" and "adobe" not in image.info:
        raise UnreadablePhoto("the JPEG has four inks and does not say whether 0 is paper or ink; save it as RGB")
    if image.mode.startswith("I;16"):
        samples = np.asarray(_resized(image.convert("F"), size)) / 65535
        return Image.fromarray(np.clip(samples * 255 + 0.5, 0, 255).astype(np.uint8))
    if image.mode == "1" and not image.has_transparency_data:
        return _resized(image.convert("L"), size)
    if image.mode in ("L", "LA", "CMYK") and "transparency" not in image.info:
        return _resized(image, size)
    wanted = "RGBA" if image.has_transparency_data else "RGB"
    return _resized(image if image.mode == wanted else image.convert(wanted), size)


def _resized(image: Image.Image, size: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return image.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side), reducing_gap=3.0)


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB or RGBA in sRGB, by an ICC profile. One that is broken, or for another kind of image, is ignored."""
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colours = image if alpha is None else image.convert("L" if image.mode == "LA" else "RGB")
    mode = _PROFILE_SPACES.get(profile[16:20]) if profile else None
    if colours.mode == "L" and mode == "RGB":
        colours = colours.convert("RGB")  # cameras write their usual profile into grey images, too
    if profile and mode == colours.mode and profile[12:16] in _PROFILE_CLASSES:
        try:
            source, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
            colours = ImageCms.ImageCmsTransform(source, srgb, mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC).apply(colours)
        except (OSError, ValueError, ImageCms.PyCMSError):
            pass
    if colours.mode != "RGB":
        colours = colours.convert("RGB")
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


def _number(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        remedy = f"give the folder of a version that was exported with --format onnx: {MODEL} and {MANIFEST} lie in it"
        raise UnusableModel(f"{file} cannot be read ({error.strerror}); {remedy}") from None


def _read_manifest(folder: Path) -> dict[str, Any]:
    """`manifest.json`, checked for what is used here. Raises UnusableModel."""
    file = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(_read(file))
        newer = manifest["min_reader_schema"] > SCHEMA_VERSION
        task, resize = manifest.get("task", "classification"), manifest["input"].get("resize")
        written = MODEL in manifest["files"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnusableModel(f"{file} is no manifest of a published version, or of a very old one; copy it again") from None
    if newer:
        raise UnusableModel(f"{file} is of a newer release than this script; take the script of that release")
    if task != "classification" or resize != "central-square-bilinear":
        raise UnusableModel(f"{file} is not of a model that tells the species on photos; give the folder of one that does")
    if not written:
        raise UnusableModel(f"{file} names no {MODEL}; publish the model with: python -m training export … --format onnx")
    return manifest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0 all photos were answered, 1 some were not, 2 a wrong call."""
    parser = argparse.ArgumentParser(description="Tells the species on photos. Prints a line of JSON for each.")
    parser.add_argument("model", type=Path, metavar="MODEL", help=f"folder with {MODEL} and {MANIFEST}")
    parser.add_argument("photos", type=Path, nargs="+", metavar="PHOTO", help="a JPEG, PNG or WebP")
    parser.add_argument("--second", type=Path, metavar="MODEL", help="folder of a model that answers what the first one finds unfamiliar")
    parser.add_argument("--threads", type=int, default=0, help="how many the network may use (default: one a core)")
    options = parser.parse_args(arguments)
    if options.threads < 0:
        parser.error("--threads is 1 or more; leave it out for one a core")
    try:
        model = Model(options.model, options.threads)
        second = None if options.second is None else Model(options.second, options.threads)
        if second is not None and second.species != model.species:
            raise UnusableModel(f"{options.second} knows other species than {options.model}; leave out --second")
    except UnusableModel as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    failed = 0
    for photo in options.photos:
        try:
            said = answer(photo.read_bytes(), model, second)
        except (UnreadablePhoto, OSError) as error:
            failed += 1
            detail = f"the file cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
            said = {"problem": {"detail": detail}}
        print(json.dumps({"file": str(photo), **said}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
