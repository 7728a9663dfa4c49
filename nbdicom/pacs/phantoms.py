"""Bodies made of ellipsoids, for sample images with something to see in them.

A body lives in patient coordinates (PS3.3 C.7.6.2.1.1: millimetres, x to the left, y to the back, z to the head), so
that planes of any orientation through it agree with each other.  A tissue has a value for each kind of image:
Hounsfield units for CT, signal for the weightings of MR.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

    Image = numpy.ndarray[Any, Any]

__all__ = ["CT", "ORIENTATIONS", "Plane", "Shape", "abdomen", "chest", "head", "pelvis", "projection", "render"]


@dataclass(frozen=True, slots=True)
class Shape:
    """An ellipsoid: centre and half axes in millimetres; ``waves`` ripples its border, ``edge`` softens it."""

    tissue: str
    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    waves: float = 0.0
    edge: float = 1.5


@dataclass(frozen=True, slots=True)
class Plane:
    """A square image plane, through the middle of the body."""

    orientation: str  #: a key of `ORIENTATIONS`
    position: float  #: in millimetres along the normal
    size: int  #: rows and columns
    spacing: float  #: millimetres between pixels

    @property
    def _start(self) -> float:
        return -(self.size - 1) / 2 * self.spacing

    @property
    def origin(self) -> tuple[float, float, float]:
        """Image Position (Patient): the centre of the first pixel."""
        start = self._start
        return {
            "axial": (start, start, self.position),
            "sagittal": (self.position, start, -start),
            "coronal": (start, self.position, -start),
        }[self.orientation]


#: Image Orientation (Patient): direction of the rows, then of the columns; and which axes run right and down.
ORIENTATIONS: Mapping[str, tuple[tuple[int, ...], int, int, int]] = {
    "axial": ((1, 0, 0, 0, 1, 0), 0, 1, 2),
    "sagittal": ((0, 1, 0, 0, 0, -1), 1, 2, 0),
    "coronal": ((1, 0, 0, 0, 0, -1), 0, 2, 1),
}

#: Hounsfield units.
CT: Mapping[str, float] = {
    "air": -1000, "lung": -860, "fat": -95, "fluid": 8, "muscle": 52, "organ": 62, "spleen": 55, "kidney": 150,
    "blood": 160, "white": 30, "grey": 38, "bone": 520, "marrow": 210, "skull": 950, "lesion": 75, "vessel": -60,
    "table": -350, "bleed": 72,
}  # fmt: skip


def render(shapes: Sequence[Shape], plane: Plane, values: Mapping[str, float], *, noise: float, seed: int) -> Image:
    """The image of a plane as 32-bit floats: every shape covers those before it."""
    import numpy

    size = plane.size
    _, across, down, normal = ORIENTATIONS[plane.orientation]
    steps = (numpy.arange(size, dtype=numpy.float32) - (size - 1) / 2) * plane.spacing
    image = numpy.full((size, size), values["air"], numpy.float32)
    for shape in shapes:
        depth = (plane.position - shape.centre[normal]) / shape.axes[normal]
        reach = 1.05 + shape.waves - abs(depth)
        if reach <= 0:
            continue
        # Only the rectangle that the shape can reach is touched.
        margin = 1.05 + shape.waves
        columns, u = _axis(steps, shape, across, margin, 1)
        rows, v = _axis(steps, shape, down, margin, -1 if down == 2 else 1)
        if not u.size or not v.size:
            continue
        u, v = u[None, :], v[:, None]
        distance = numpy.sqrt(u * u + v * v + numpy.float32(depth * depth))
        if shape.waves:
            angle = numpy.arctan2(v, u)
            ripple = numpy.sin(angle * 17 + 9 * depth) + 0.6 * numpy.sin(angle * 29 - 14 * depth)
            distance *= 1 + numpy.float32(shape.waves) * ripple
        softness = min(shape.axes[across], shape.axes[down]) / (shape.edge * max(plane.spacing, 0.5))
        cover = numpy.clip((1 - distance) * softness + 0.5, 0, 1)
        part = image[rows, columns]
        part += cover * (values[shape.tissue] - part)
    if noise:
        image += numpy.random.default_rng(seed).standard_normal(image.shape, numpy.float32) * noise
    return image


def _axis(steps: Image, shape: Shape, axis: int, margin: float, sign: int) -> tuple[slice, Image]:
    """The part of an image axis that a shape can reach, and its coordinates there in half axes of the shape."""
    relative = (sign * steps - shape.centre[axis]) / shape.axes[axis]
    inside = (abs(relative) <= margin).nonzero()[0]
    if not inside.size:
        return slice(0, 0), relative[:0]
    part = slice(int(inside[0]), int(inside[-1]) + 1)
    return part, relative[part]


def projection(shapes: Sequence[Shape], orientation: str, size: int, spacing: float, *, seed: int) -> Image:
    """A radiograph: what is left of the rays behind the body, 0 to 4095, dense parts bright."""
    import numpy

    thickness, depth = 6.0, 240.0
    total = numpy.zeros((size, size), numpy.float32)
    shapes = [shape for shape in shapes if shape.tissue != "table"]
    for step in range(int(depth / thickness)):
        plane = Plane(orientation, (step + 0.5) * thickness - depth / 2, size, spacing)
        hounsfield = render(shapes, plane, CT, noise=0, seed=0)
        total += numpy.clip(hounsfield + 1000, 0, None) * numpy.float32(thickness * 1.4e-5)
    total += numpy.random.default_rng(seed).standard_normal(total.shape, numpy.float32) * 0.02
    transmitted: Image = numpy.exp(-total * 0.42)
    return (1 - transmitted).clip(0, 1) * 4095


# ------------------------------------------------------------------------------- bodies


def head(*, lesion: tuple[float, float, float] | None = None, radius: float = 9, tissue: str = "lesion") -> list[Shape]:
    """A head: scalp, skull, a folded cortex, white matter, ventricles, cerebellum, eyes; with a lesion if wanted."""
    shapes = [
        Shape("fat", (0, 0, 0), (82, 100, 105)),
        Shape("muscle", (0, 20, -95), (55, 60, 60)),
        Shape("skull", (0, 0, 5), (77, 94, 97)),
        Shape("fluid", (0, 0, 6), (71, 88, 90)),
        Shape("grey", (0, 0, 8), (68, 85, 86), waves=0.022),
        Shape("white", (-29, 0, 12), (32, 70, 66), waves=0.055),
        Shape("white", (29, 0, 12), (32, 70, 66), waves=0.055),
        Shape("white", (0, 4, 6), (24, 34, 14)),
        Shape("fluid", (0, -4, 44), (1.6, 62, 38), edge=1),
        Shape("fluid", (-11, -14, 16), (7, 26, 13)),
        Shape("fluid", (11, -14, 16), (7, 26, 13)),
        Shape("fluid", (-17, 18, 8), (6, 20, 10)),
        Shape("fluid", (17, 18, 8), (6, 20, 10)),
        Shape("grey", (-14, -6, 6), (9, 15, 9)),
        Shape("grey", (14, -6, 6), (9, 15, 9)),
        Shape("fluid", (0, 4, 0), (2.2, 12, 9)),
        Shape("grey", (-22, 54, -42), (27, 26, 22), waves=0.04),
        Shape("grey", (22, 54, -42), (27, 26, 22), waves=0.04),
        Shape("white", (0, 22, -48), (14, 15, 34)),
        Shape("fluid", (0, 38, -40), (6, 6, 9)),
        Shape("fluid", (-33, -82, -32), (13, 13, 13)),
        Shape("fluid", (33, -82, -32), (13, 13, 13)),
        Shape("air", (0, -80, -52), (16, 22, 20)),
    ]
    if lesion is not None:
        x, y, z = lesion
        shapes += [
            Shape("fluid", lesion, (radius * 1.7, radius * 1.5, radius * 1.4), waves=0.05, edge=4),
            Shape(tissue, (x, y, z), (radius, radius, radius), edge=2),
        ]
    return shapes


def _spine(y: float, heights: range) -> list[Shape]:
    shapes = []
    for z in heights:
        shapes += [
            Shape("bone", (0, y, z), (23, 18, 13)),
            Shape("marrow", (0, y, z), (20, 15, 10)),
            Shape("bone", (0, y + 29, z), (16, 9, 10)),
            Shape("bone", (0, y + 44, z - 6), (4, 12, 7)),
        ]
    return [*shapes, Shape("fluid", (0, y + 26, 0), (8, 7, 400))]


def chest(*, nodule: float = 0.0) -> list[Shape]:
    """A chest: lungs with vessels, heart, great vessels, spine, ribs; with a nodule of some radius if wanted."""
    shapes = [
        Shape("table", (0, 160, 0), (220, 14, 4000)),
        Shape("fat", (0, 0, -20), (178, 118, 330)),
        Shape("muscle", (0, 2, -20), (164, 106, 320)),
        Shape("lung", (-76, 0, 0), (62, 86, 150)),
        Shape("lung", (76, 0, 0), (60, 86, 150)),
    ]
    for k in range(46):  # vessels thin out from the hilum; a golden angle spreads them without chance
        side, angle, reach = (-1) ** k, k * 2.39996, 0.25 + 0.65 * ((k * 37) % 46) / 46
        x, y = side * 74 + 48 * reach * math.cos(angle), 66 * reach * math.sin(angle)
        radius = 5.2 - 3.9 * reach
        shapes.append(Shape("vessel", (x, y, -110 + (k * 61) % 220), (radius, radius, 34 - 22 * reach)))
    if nodule:
        shapes.append(Shape("lesion", (-88, 22, 18), (nodule, nodule, nodule), waves=0.04))
    shapes += [
        Shape("muscle", (12, -22, -30), (52, 46, 78)),
        Shape("organ", (22, -26, -42), (44, 38, 60)),
        Shape("blood", (34, -30, -46), (20, 18, 34)),
        Shape("muscle", (0, 8, 60), (34, 34, 70)),
        Shape("blood", (10, 0, 58), (14, 14, 44)),
        Shape("blood", (20, 42, 0), (12, 12, 400)),
        Shape("air", (-2, 20, 90), (8, 8, 76)),
        Shape("organ", (-62, -6, -150), (92, 84, 62)),
    ]
    shapes += _spine(62, range(-150, 151, 30))
    for z in range(-140, 161, 28):
        for k in range(-8, 9):
            angle = k * 0.17
            for side in (-1, 1):
                x, y = side * 150 * math.cos(angle), 94 * math.sin(angle)
                shapes.append(Shape("bone", (x, y, z - 42 * math.sin(angle)), (9, 11, 7)))
    shapes.append(Shape("bone", (0, -98, 10), (17, 7, 80)))
    return shapes


def abdomen() -> list[Shape]:
    """An upper abdomen: liver, spleen, kidneys, stomach, bowel, aorta, spine."""
    shapes = [
        Shape("table", (0, 152, 0), (220, 14, 4000)),
        Shape("fat", (0, 0, 0), (172, 122, 330)),
        Shape("muscle", (0, 0, 0), (152, 104, 330)),
        Shape("fat", (0, -6, 0), (142, 92, 330)),
        Shape("muscle", (-34, 58, 0), (26, 24, 300)),
        Shape("muscle", (34, 58, 0), (26, 24, 300)),
        Shape("organ", (-66, -8, 34), (72, 74, 70), waves=0.012),
        Shape("organ", (-10, -44, 44), (64, 30, 42)),
        Shape("blood", (-58, -4, 36), (6, 26, 6)),
        Shape("blood", (-72, -22, 30), (22, 5, 5)),
        Shape("fluid", (-46, -48, 4), (15, 20, 22)),
        Shape("spleen", (104, 34, 40), (26, 42, 46)),
        Shape("muscle", (60, -40, 40), (46, 38, 48)),
        Shape("fluid", (60, -34, 40), (38, 30, 42)),
        Shape("air", (58, -52, 42), (28, 12, 34)),
        Shape("lesion", (-84, 14, 42), (13, 13, 13), edge=3),
    ]
    for side in (-1, 1):
        shapes += [
            Shape("kidney", (side * 68, 46, -22 - 5 * side), (27, 25, 50)),
            Shape("fluid", (side * 60, 42, -22 - 5 * side), (12, 10, 26)),
        ]
    for k in range(26):
        angle, reach = k * 2.39996, math.sqrt((k + 1) / 26)
        x, y, z = 96 * reach * math.cos(angle), -26 + 46 * reach * math.sin(angle), -120 + (k * 29) % 100
        content = "fluid" if k % 3 else "air"
        shapes += [Shape("muscle", (x, y, z), (16, 14, 22)), Shape(content, (x, y, z), (12, 10, 18))]
    shapes += [Shape("blood", (12, 34, 0), (11, 11, 400)), Shape("blood", (-18, 32, 0), (13, 10, 400))]
    return shapes + _spine(60, range(-165, 166, 33))


def pelvis() -> list[Shape]:
    """A pelvis as a planning CT shows it: bladder, prostate, rectum, femoral heads, pelvic bones."""
    shapes = [
        Shape("table", (0, 146, 0), (230, 12, 4000)),
        Shape("fat", (0, 0, 0), (184, 116, 330)),
        Shape("muscle", (0, 22, 0), (160, 86, 330)),
        Shape("fat", (0, -14, 10), (84, 66, 120)),
        Shape("muscle", (0, 12, 0), (76, 62, 300)),
        Shape("fluid", (0, -16, 20), (42, 34, 34)),
        Shape("organ", (0, 8, -22), (23, 18, 21)),
        Shape("muscle", (0, 52, 0), (19, 18, 200)),
        Shape("air", (0, 50, 6), (11, 10, 60)),
        Shape("bone", (0, 92, 40), (36, 15, 62)),
        Shape("marrow", (0, 92, 40), (31, 11, 58)),
    ]
    for side in (-1, 1):
        shapes += [
            Shape("bone", (side * 92, 10, 30), (14, 52, 62)),
            Shape("marrow", (side * 92, 10, 30), (9, 46, 58)),
            Shape("bone", (side * 96, 6, -12), (27, 27, 28)),
            Shape("marrow", (side * 96, 6, -12), (22, 22, 23)),
            Shape("bone", (side * 122, 12, -66), (19, 19, 56)),
            Shape("marrow", (side * 122, 12, -66), (12, 12, 54)),
            Shape("bone", (side * 36, -46, -30), (36, 11, 12)),
            Shape("bone", (side * 42, 44, -58), (13, 16, 26)),
            Shape("blood", (side * 62, -52, 0), (8, 8, 300)),
        ]
    return shapes
