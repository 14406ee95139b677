"""What light and camera do to a photo, drawn anew for each image of a batch, where the batch lies.

Light from a third to three times, its colour, shadows with hard or soft edges, tone, blur, colour fringes, few pixels, noise, JPEG.
Each is an option of a recipe's `[camera]`, off unless `share` is set.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from training.recipe import Camera

_REACH = 5  # pixels to each side that a blur looks at
_SIZES = 4  # resolutions drawn for a batch; each of its images takes one
_BLOCK = 8  # pixels a side of a block of JPEG
# Annex K.1 of ITU-T T.81 (JPEG): luminance, and the corner of chrominance, which is 99 elsewhere.
_QUANTA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA, _CHROMA_ELSEWHERE = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99)), 99
_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # ITU-T T.871 (JFIF)


def photograph(images: Tensor, settings: Camera, random: Generator, share: Tensor | None = None) -> Tensor:
    """Images as other light and another camera would give them: float [N,3,S,S] in 0–1 → the same shape and range.

    `share`, float [N], is the chance of each image to be changed, in place of the recipe's; `random` a CPU generator: a seed gives
    the same changes on every device, but for noise and the shapes of shadows, which a GPU draws itself.
    """
    if not settings.share and share is None:
        return images
    n = len(images)
    chance = torch.full((n,), settings.share) if share is None else share.cpu()
    changed = torch.rand(n, generator=random) < chance  # [N]
    images = _light(images, settings, changed, random)
    rows = (changed & drawn(n, settings.fringe, random)).nonzero()[:, 0].to(images.device)
    images = images.index_put((rows,), fringed(images[rows]))
    images = blurred(images, uniform(n, 0.3, settings.blur, random) * changed * drawn(n, 0.5, random))
    images = _fewer_pixels(images, settings.least_side, changed & drawn(n, settings.few_pixels, random), random)
    images = _noise(images, settings.noise, changed, random)
    quality = uniform(n, *settings.jpeg_quality, random).to(images.device)
    chosen = (changed & drawn(n, settings.jpeg, random)).nonzero()[:, 0]
    halved = drawn(n, settings.jpeg_halved, random)[chosen] if settings.jpeg_halved else None  # without it seeds draw what they always drew
    rows = chosen.to(images.device)
    return images.index_put((rows,), jpeg(images[rows], quality[rows], halved)) if len(rows) else images


def uniform(n: int, low: float, high: float, random: Generator) -> Tensor:
    """float [n], each in low…high."""
    return torch.rand(n, generator=random) * (high - low) + low


def drawn(n: int, share: float, random: Generator) -> Tensor:
    """bool [n], each true with that chance."""
    return torch.rand(n, generator=random) < share


def per_image(values: Tensor, images: Tensor) -> Tensor:
    """[N] → [N,1,1,1] where the images are, to multiply them by."""
    return values.to(images)[:, None, None, None]


def normal(shape: Sequence[int], random: Generator, device: torch.device) -> Tensor:
    """Many normal numbers, drawn where they are used: on a GPU by its own generator, whose seed `random` gives."""
    if device.type == "cpu":
        return torch.randn(*shape, generator=random)
    own = torch.Generator(device).manual_seed(int(torch.randint(2**62, (), generator=random)))
    return torch.randn(*shape, generator=own, device=device)


def smooth_field(n: int, cells: int, side: int, random: Generator, device: torch.device) -> Tensor:
    """Hills and valleys: normal numbers on cells×cells points with a smooth surface through them, float [n,1,side,side]."""
    points = normal((n, 1, cells, cells), random, device)
    return F.interpolate(points, (side, side), mode="bicubic", align_corners=False)


def shadowed(images: Tensor, share: float, random: Generator) -> Tensor:
    """A shadow over a part of a share of the images, its edge hard as in the sun or soft: float [N,3,S,S] → [N,3,S,S]."""
    n = len(images)
    depth = uniform(n, 0.25, 0.75, random) * drawn(n, share, random)
    where = smooth_field(n, 3, images.shape[-1], random, images.device)  # [N,1,S,S]
    edge = per_image(uniform(n, 3, 40, random), images)
    inside = ((where - per_image(uniform(n, -0.3, 0.8, random), images)) * edge).sigmoid()
    return images * (1 - per_image(depth, images) * inside)


def blurred(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with a width of its own for each image, in pixels: float [N,C,h,w], [N] → [N,C,h,w]; 0 changes nothing."""
    n, channels, height, width = images.shape
    places = torch.arange(-_REACH, _REACH + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (places / sigma.to(images).clamp_min(0.05)[:, None]) ** 2)  # [N,11]
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None]  # [N·C,1,11]
    rows = F.pad(images.reshape(1, n * channels, height, width), (_REACH,) * 4, mode="replicate")
    rows = F.conv2d(rows, kernel[:, :, None], groups=n * channels)
    return F.conv2d(rows, kernel[..., None], groups=n * channels).view(n, channels, height, width)


def fringed(images: Tensor) -> Tensor:
    """Red one pixel to the right and blue one up, as a cheap lens puts them: float [N,3,h,w] → [N,3,h,w]."""
    red, green, blue = images.unbind(1)
    return torch.stack([red.roll(1, -1), green, blue.roll(-1, -2)], 1)


def jpeg(images: Tensor, quality: Tensor, halved: Tensor | None = None) -> Tensor:
    """What JPEG leaves of images: float [N,3,S,S] in 0–1 and quality 1–100, float [N] → [N,3,S,S].

    The cosine transform of 8×8 blocks, quantised by the tables of the standard scaled as libjpeg scales them. halved, bool [N]: of which
    colours keep half of the resolution (4:2:0, as most cameras save them); without it of none. S is filled up to whole blocks.
    """
    height, width = images.shape[2:]
    colours = torch.tensor(_YCBCR).to(images)
    more = (-width % (2 * _BLOCK), -height % (2 * _BLOCK))
    planes = torch.einsum("oc,nchw->nohw", colours, F.pad(images, (0, more[0], 0, more[1]), mode="replicate")) * 255
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100  # [N]
    tables = _tables().to(images)
    light = quantised(planes[:, :1] - 128, tables[0], scale) + 128
    few = torch.zeros(len(images), dtype=torch.bool) if halved is None else halved.cpu()
    whole, rows = ((~few).nonzero()[:, 0].to(images.device), few.nonzero()[:, 0].to(images.device))
    colour = planes[:, 1:].index_put((whole,), quantised(planes[whole, 1:], tables[1], scale[whole]))
    small = quantised(F.avg_pool2d(planes[rows, 1:], 2), tables[1], scale[rows])
    colour = colour.index_put((rows,), F.interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False))
    planes = torch.cat([light, colour], 1)[..., :height, :width] / 255
    return torch.einsum("oc,nchw->nohw", torch.linalg.inv(colours), planes).clamp(0, 1)


def quantised(planes: Tensor, table: Tensor, scale: Tensor) -> Tensor:
    """What a table, [8,8], leaves of planes, [N,C,h,w] of whole blocks: the same shape. scale: its factor for each image, [N]."""
    n, channels, height, width = planes.shape
    transform = _cosines().to(planes)  # [8,8]
    blocks = planes.view(n, channels, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).transpose(3, 4)  # [N,C,down,across,8,8]
    quanta = (table * scale[:, None, None]).clamp_min(1)[:, None, None, None]  # [N,1,1,1,8,8]
    kept = (transform @ blocks @ transform.T / quanta).round() * quanta
    return (transform.T @ kept @ transform).transpose(3, 4).reshape(n, channels, height, width)


def _tables() -> Tensor:
    """Of light and of colour: float [2,8,8]."""
    colour = torch.full((_BLOCK, _BLOCK), float(_CHROMA_ELSEWHERE))
    colour[:4, :4] = torch.tensor(_CHROMA)
    return torch.stack([torch.tensor(_QUANTA).float(), colour])


def _cosines() -> Tensor:
    """The orthonormal cosine transform of 8 values, float [8,8], one frequency a row."""
    places = torch.arange(_BLOCK, dtype=torch.float64)
    rows = torch.cos((2 * places + 1) * places[:, None] * (math.pi / (2 * _BLOCK))) * math.sqrt(2 / _BLOCK)
    rows[0] /= math.sqrt(2)
    return rows.float()


def _light(images: Tensor, settings: Camera, changed: Tensor, random: Generator) -> Tensor:
    n = len(images)
    light = uniform(n, math.log(settings.light[0]), math.log(settings.light[1]), random) * changed
    colour = torch.randn(n, 3, generator=random) * settings.colour * changed[:, None]  # [N,3]
    tone = uniform(n, 1 - settings.tone, 1 + settings.tone, random)
    lit = images.clamp_min(1e-4) ** per_image(torch.where(changed, tone, 1.0), images)
    return (lit * (light[:, None] + colour).exp().to(images)[:, :, None, None]).clamp(0, 1)


def _fewer_pixels(images: Tensor, least: int, chosen: Tensor, random: Generator) -> Tensor:
    """Some images at a lower resolution, stretched to their size again."""
    side = images.shape[-1]
    sides = uniform(_SIZES, math.log(least), math.log(max(least, 0.8 * side)), random).exp().round().int().tolist()
    which = torch.randint(_SIZES, (len(images),), generator=random)
    for number, low in enumerate(sides):
        rows = (chosen & (which == number)).nonzero()[:, 0].to(images.device)
        if len(rows):
            small = F.interpolate(images[rows], (low, low), mode="bilinear", antialias=True)
            images = images.index_put((rows,), F.interpolate(small, (side, side), mode="bilinear", align_corners=False))
    return images


def _noise(images: Tensor, most: float, changed: Tensor, random: Generator) -> Tensor:
    """Noise of the sensor, stronger where there is light, as photons arrive."""
    strength = uniform(len(images), 0, most, random) * changed * drawn(len(images), 0.6, random)
    grains = normal(images.shape, random, images.device)
    return (images + per_image(strength, images) * grains * (0.3 + images.sqrt())).clamp(0, 1)
