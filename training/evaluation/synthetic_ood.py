"""Pictures that are no seedlings, drawn by program: what an artifact's familiarity score is measured against.

Nothing is fitted or chosen on them. Each kind is a function of a generator that gives uint8 [150,150,3].
"""

import math
import string
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from torch import Tensor

from models_store.pixels import SIZE

Random = np.random.Generator
Picture = NDArray[np.uint8]  # [150,150,3]
_Plane = NDArray[np.float64]  # [150,150] in 0–1
_Colour = tuple[int, int, int]

_NATURAL = ((60, 120, 40), (110, 80, 50), (140, 170, 90), (90, 70, 60), (30, 70, 30), (160, 140, 110))  # greens and browns


def draw(images: int, seed: int) -> dict[str, Tensor]:
    """`images` pictures of each kind: kind → uint8 [images,3,150,150]. The same seed gives the same pictures."""
    drawn = {}
    for number, (kind, make) in enumerate(KINDS.items()):
        pictures = [make(np.random.default_rng([seed, number, one])) for one in range(images)]
        drawn[kind] = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    return drawn


def _colour(random: Random) -> _Colour:
    """Any colour, or as often one that plants and soil have."""
    near = _NATURAL[random.integers(len(_NATURAL))] if random.random() < 0.5 else random.integers(0, 256, 3)
    red, green, blue = (int(value) for value in np.clip(np.asarray(near) + random.integers(-15, 16, 3), 0, 255))
    return red, green, blue


def _coloured(plane: _Plane, random: Random) -> Picture:
    """A plane as a run from one colour to another."""
    first, last = np.array(_colour(random)), np.array(_colour(random))
    picture: Picture = (first + plane[:, :, None] * (last - first)).round().astype(np.uint8)
    return picture


def _unit(plane: _Plane) -> _Plane:
    unit: _Plane = (plane - plane.min()) / max(float(np.ptp(plane)), 1e-9)
    return unit


def _axes(random: Random) -> tuple[_Plane, _Plane]:
    """Coordinates from -1 to 1, turned by any angle."""
    down, right = np.meshgrid(np.linspace(-1, 1, SIZE), np.linspace(-1, 1, SIZE), indexing="ij")
    angle = random.uniform(0, 2 * math.pi)
    return right * math.cos(angle) + down * math.sin(angle), down * math.cos(angle) - right * math.sin(angle)


def _canvas(random: Random) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (SIZE, SIZE), _colour(random))
    return image, ImageDraw.Draw(image)


def _blurred(image: Image.Image, radius: float) -> Picture:
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)))


def _box(random: Random, least: int = 5, most: int = 80) -> tuple[int, int, int, int]:
    left, top = (int(value) for value in random.integers(-10, SIZE - 10, 2))
    width, height = (int(value) for value in random.integers(least, most, 2))
    return left, top, left + width, top + height


def _points(random: Random, n: int) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in random.integers(0, SIZE, (n, 2))]


def flat(random: Random) -> Picture:
    """One colour, at times with a little noise."""
    noise = random.normal(0, random.choice([0, 2, 6]), (SIZE, SIZE, 3))
    return np.clip(_colour(random) + noise, 0, 255).astype(np.uint8)


def gradient(random: Random) -> Picture:
    """From one colour to another, along a line or from a point."""
    x, y = _axes(random)
    return _coloured(_unit(x if random.random() < 0.5 else np.hypot(x - random.uniform(-1, 1), y)), random)


def noise(random: Random) -> Picture:
    """White noise, grey or coloured, even, normal or of single dots."""
    shape = (SIZE, SIZE, int(random.choice([1, 3])))
    values = random.normal(128, random.uniform(10, 70), shape) if random.random() < 0.5 else random.uniform(0, 256, shape)
    if random.random() < 0.3:
        values = np.where(random.random(shape) < random.uniform(0.02, 0.3), values, 128)
    return np.broadcast_to(np.clip(values, 0, 255), (SIZE, SIZE, 3)).astype(np.uint8)


def clouds(random: Random) -> Picture:
    """Noise with a power spectrum 1/f^a, as that of natural scenes."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE), indexing="ij"))
    amplitude = 1 / np.maximum(frequency, 1 / SIZE) ** random.uniform(0.6, 2)
    planes = [_unit(np.fft.ifft2(np.fft.fft2(random.normal(size=(SIZE, SIZE))) * amplitude).real) for _ in range(3)]
    if random.random() < 0.5:
        return _coloured(planes[0], random)
    return (255 * np.stack(planes, 2)).astype(np.uint8)


def waves(random: Random) -> Picture:
    """Stripes, chess boards and rings, with hard or soft edges."""
    x, y = _axes(random)
    pitch = math.pi * random.uniform(2, 25)
    plane = [np.sin(pitch * x), np.sin(pitch * x) * np.sin(pitch * y), np.sin(pitch * np.hypot(x, y))][random.integers(3)]
    return _coloured(_unit(plane if random.random() < 0.5 else np.sign(plane)), random)


def shapes(random: Random) -> Picture:
    """Ellipses, rectangles and polygons on one colour."""
    image, pen = _canvas(random)
    for _ in range(random.integers(1, 12)):
        match random.integers(3):
            case 0:
                pen.ellipse(_box(random), fill=_colour(random))
            case 1:
                pen.rectangle(_box(random), fill=_colour(random), outline=_colour(random), width=2)
            case _:
                pen.polygon(_points(random, int(random.integers(3, 7))), fill=_colour(random))
    return np.asarray(image)


def blobs(random: Random) -> Picture:
    """Soft spots of colour."""
    image, pen = _canvas(random)
    for _ in range(random.integers(1, 20)):
        pen.ellipse(_box(random, 10, 90), fill=_colour(random))
    return _blurred(image, float(random.uniform(4, 20)))


def text(random: Random) -> Picture:
    """Lines of letters."""
    image, pen = _canvas(random)
    size, ink = int(random.integers(8, 40)), _colour(random)
    for top in range(int(random.integers(0, 20)), SIZE, int(size * 1.3)):
        line = "".join(random.choice(list(string.ascii_letters + string.digits + "     ,.:"), 40))
        pen.text((int(random.integers(0, 12)), top), line, fill=ink, font=ImageFont.load_default(size))
    return np.asarray(image)


def codes(random: Random) -> Picture:
    """Bar codes and squares of dots, as on labels."""
    cells = int(random.integers(15, 45))
    grid = random.random((1 if random.random() < 0.5 else cells, cells)) < 0.5
    image = Image.new("RGB", (SIZE, SIZE), (240, 240, 240))
    left, top, right, bottom = (int(value) for value in random.integers(0, 30, 4))
    code = Image.fromarray(np.where(grid, 20, 235).astype(np.uint8)).resize((SIZE - left - right, SIZE - top - bottom), 0)
    image.paste(code, (left, top))
    return np.asarray(image.rotate(float(random.choice([0, 90, random.uniform(0, 360)])), fillcolor=(240, 240, 240)))


def drawings(random: Random) -> Picture:
    """Strokes of a pen on paper."""
    image = Image.new("RGB", (SIZE, SIZE), (250, 250, 245) if random.random() < 0.6 else _colour(random))
    pen, ink, width = ImageDraw.Draw(image), _colour(random), int(random.integers(1, 5))
    for _ in range(random.integers(2, 25)):
        if random.random() < 0.5:
            pen.line(_points(random, int(random.integers(2, 8))), fill=ink, width=width, joint="curve")
        else:
            pen.arc(_box(random, 10, 120), float(random.uniform(0, 360)), float(random.uniform(0, 360)), fill=ink, width=width)
    return np.asarray(image)


def landscapes(random: Random) -> Picture:
    """Sky, a sun, hills, trees, at times soft as a photo."""
    image = Image.fromarray(_coloured(np.linspace(0, 1, SIZE)[:, None].repeat(SIZE, 1), random))
    pen = ImageDraw.Draw(image)
    sun = _box(random, 15, 30)
    pen.ellipse((sun[0], sun[1] // 3, sun[0] + 25, sun[1] // 3 + 25), fill=(255, 240, 180))
    for horizon in np.sort(random.uniform(0.35, 0.9, random.integers(1, 5))):
        waves_ = [float(value) for value in random.uniform(0.5, 4, 2)]
        ridge = [(x, int(SIZE * horizon + 9 * math.sin(waves_[0] * x / 20) + 5 * math.sin(waves_[1] * x / 9))) for x in range(SIZE)]
        pen.polygon([(0, SIZE), *ridge, (SIZE, SIZE)], fill=_colour(random))
        for x in random.integers(0, SIZE, random.integers(0, 6)):
            foot, crown = ridge[x][1], int(random.integers(6, 18))
            pen.line((int(x), foot, int(x), foot - 2 * crown), fill=(80, 60, 40), width=3)
            pen.ellipse((int(x) - crown, foot - 3 * crown, int(x) + crown, foot - crown), fill=_colour(random))
    return _blurred(image, float(random.choice([0, 1, 2])))


def faces(random: Random) -> Picture:
    """A head with eyes, a mouth and hair."""
    image, pen = _canvas(random)
    x, y, r = (int(value) for value in (*random.integers(55, 95, 2), random.integers(30, 55)))
    skin = tuple(int(value) for value in np.array([230, 180, 150]) * random.uniform(0.35, 1.05))
    pen.ellipse((x - r - 4, y - int(1.4 * r), x + r + 4, y + r // 2), fill=_colour(random))  # hair
    pen.rectangle((x - r, y + r, x + r, SIZE), fill=_colour(random))  # clothes
    pen.ellipse((x - r, y - int(1.2 * r), x + r, y + int(1.3 * r)), fill=skin)
    for side in (-1, 1):
        pen.ellipse((x + side * r // 2 - 7, y - 12, x + side * r // 2 + 7, y - 3), fill=(250, 250, 250))
        pen.ellipse((x + side * r // 2 - 3, y - 11, x + side * r // 2 + 3, y - 4), fill=_colour(random))
    pen.line((x, y - 4, x - 4, y + 12, x + 3, y + 13), fill=(120, 80, 70), width=2)
    pen.arc((x - r // 2, y + 5, x + r // 2, y + r), 20, 160, fill=(170, 60, 60), width=3)
    return _blurred(image, float(random.choice([0, 0.7, 2])))


def fractals(random: Random) -> Picture:
    """A Julia set."""
    x, y = _axes(random)
    z = random.uniform(0.4, 1.6) * (x + 1j * y)
    c = 0.75 * np.exp(1j * random.uniform(0, 2 * math.pi)) + random.uniform(-0.05, 0.05)
    steps = np.zeros(z.shape)
    for _ in range(60):
        inside = np.abs(z) < 4
        steps += inside
        z = np.where(inside, z * z + c, z)
    return _coloured(_unit(np.sqrt(steps)), random)


def mosaics(random: Random) -> Picture:
    """Cells around random points, each of its own shade, as of paving or a stained window."""
    seeds = random.uniform(0, SIZE, (int(random.integers(8, 150)), 2))
    down, right = np.mgrid[:SIZE, :SIZE]
    distance = (down[:, :, None] - seeds[:, 0]) ** 2 + (right[:, :, None] - seeds[:, 1]) ** 2  # [150,150,n]
    colours = np.array([_colour(random) for _ in seeds], np.uint8)  # [n,3]
    picture: Picture = colours[distance.argmin(2)]
    return picture


def walls(random: Random) -> Picture:
    """Bricks in mortar."""
    image, pen = _canvas(random)
    height, width, brick = int(random.integers(8, 25)), int(random.integers(16, 60)), np.array(_colour(random))
    for row, top in enumerate(range(0, SIZE, height)):
        for left in range(-width + row % 2 * width // 2, SIZE, width):
            shade = tuple(int(value) for value in np.clip(brick + random.integers(-25, 26), 0, 255))
            pen.rectangle((left, top, left + width - 3, top + height - 3), fill=shade)
    return _blurred(image, float(random.choice([0, 0.7])))


def wood(random: Random) -> Picture:
    """Grain: stretched noise around rings."""
    x, y = _axes(random)
    plane = np.sin(random.uniform(5, 25) * (x + 0.15 * np.sin(random.uniform(1, 4) * y) + 0.02 * random.normal(size=x.shape)))
    return _coloured(_unit(plane + 0.3 * random.normal(size=(SIZE, 1))), random)


def charts(random: Random) -> Picture:
    """Columns or a curve between two axes."""
    image = Image.new("RGB", (SIZE, SIZE), (255, 255, 255))
    pen, n = ImageDraw.Draw(image), int(random.integers(4, 12))
    heights = [int(value) for value in random.integers(10, 115, n)]
    for at, height in enumerate(heights):
        if random.random() < 0.8:
            pen.rectangle((18 + at * 125 // n, 135 - height, 14 + (at + 1) * 125 // n, 135), fill=_colour(random))
    pen.line([(20 + at * 125 // n, 140 - height) for at, height in enumerate(heights)], fill=_colour(random), width=2)
    pen.line((15, 8, 15, 135, 145, 135), fill=(20, 20, 20), width=2)
    pen.text((30, 137), "Figure 1", fill=(20, 20, 20))
    return np.asarray(image)


def windows(random: Random) -> Picture:
    """The screen of a program: bars, panes, lines of writing."""
    image = Image.new("RGB", (SIZE, SIZE), (245, 246, 248) if random.random() < 0.6 else (30, 32, 38))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, SIZE, 14), fill=_colour(random))
    for _ in range(random.integers(2, 6)):
        left, top, right, bottom = _box(random, 25, 90)
        pen.rounded_rectangle((left, top + 14, right, bottom + 14), 4, fill=_colour(random), outline=(150, 150, 150))
        for line in range(top + 20, bottom + 8, 7):
            pen.line((left + 5, line, int(random.integers(left + 6, right + 1)), line), fill=(120, 120, 120), width=2)
    return np.asarray(image)


def nights(random: Random) -> Picture:
    """Lights in the dark."""
    image = Image.new("RGB", (SIZE, SIZE), tuple(int(value) for value in random.integers(0, 30, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(random.integers(10, 120)):
        (x, y), r = _points(random, 1)[0], int(random.integers(0, 4))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(value) for value in random.integers(150, 256, 3)))
    return _blurred(image, float(random.choice([0, 1, 4])))


KINDS: dict[str, Callable[[Random], Picture]] = {
    make.__name__: make
    for make in (
        *(flat, gradient, noise, clouds, waves, shapes, blobs, text, codes, drawings),
        *(landscapes, faces, fractals, mosaics, walls, wood, charts, windows, nights),
    )
}
