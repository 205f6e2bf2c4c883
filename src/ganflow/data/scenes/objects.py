"""Synthetic objects in ten classes: replace CIFAR-10 where nothing can be downloaded.

An image and its label are a pure function of (seed, index). Indices 10 k to 10 k + 9 hold each class once, in an order
that depends on the seed. A small classifier reaches >= 95 % accuracy.
"""

from collections.abc import Mapping
from random import Random
from types import MappingProxyType
from typing import NamedTuple

from PIL import Image, ImageDraw

SIZE = (32, 32)  # width, height in pixels
OVERSAMPLING = 4

Colour = tuple[int, int, int]
Point = tuple[float, float]

WHITE, DARK = (250, 248, 240), (48, 42, 48)
GLASS, STEM, BARK, GOLD = (178, 218, 244), (58, 124, 62), (110, 72, 44), (250, 206, 66)
PAINTS = {
    "red": (214, 52, 48),
    "orange": (236, 138, 40),
    "blue": (48, 104, 198),
    "purple": (128, 74, 176),
    "teal": (32, 146, 138),
}
SKIES = ((190, 222, 246), (248, 226, 190), (222, 214, 240))
GRASS, ROAD, SEA, POND, NIGHT = (122, 176, 92), (120, 122, 130), (64, 132, 196), (150, 218, 226), (26, 28, 66)


class Sketch:
    """A square image with coordinates 0..100 from the top left; shapes are shifted and scaled around the centre."""

    def __init__(self, sky: Colour, scale: float, dx: float, dy: float):
        self.side = SIZE[0] * OVERSAMPLING
        self.image = Image.new("RGB", (self.side, self.side), sky)
        self.pen = ImageDraw.Draw(self.image)
        self.scale, self.dx, self.dy = scale, dx, dy

    def pixel(self, x: float, y: float) -> Point:
        unit = self.side / 100
        return unit * (50 + self.dx + (x - 50) * self.scale), unit * (50 + self.dy + (y - 50) * self.scale)

    def length(self, size: float) -> float:
        return size * self.scale * self.side / 100

    def fill(self, colour: Colour) -> None:
        """Fills the image."""
        self.pen.rectangle((0, 0, self.side, self.side), fill=colour)

    def ground(self, colour: Colour, y: float) -> None:
        """Fills everything below y."""
        self.pen.rectangle((0, self.pixel(0, y)[1], self.side, self.side), fill=colour)

    def polygon(self, colour: Colour, *corners: Point) -> None:
        self.pen.polygon([self.pixel(*corner) for corner in corners], fill=colour)

    def block(self, colour: Colour, left: float, top: float, right: float, bottom: float, radius: float = 0) -> None:
        """A rectangle, with round corners if it has a radius."""
        box = (*self.pixel(left, top), *self.pixel(right, bottom))
        self.pen.rounded_rectangle(box, radius=self.length(radius), fill=colour)

    def disc(self, colour: Colour, x: float, y: float, rx: float, ry: float | None = None) -> None:
        """An ellipse around (x, y) with radii rx and ry; a circle without ry."""
        ry = rx if ry is None else ry
        self.pen.ellipse((*self.pixel(x - rx, y - ry), *self.pixel(x + rx, y + ry)), fill=colour)

    def arc(self, colour: Colour, x: float, y: float, radius: float, start: int, end: int, width: float) -> None:
        """A stroke inside a circle, from `start` to `end` degrees clockwise from the right."""
        box = (*self.pixel(x - radius, y - radius), *self.pixel(x + radius, y + radius))
        self.pen.arc(box, start, end, fill=colour, width=round(self.length(width)))

    def dome(self, colour: Colour, x: float, y: float, rx: float, ry: float) -> None:
        """The upper half of an ellipse."""
        self.pen.pieslice((*self.pixel(x - rx, y - ry), *self.pixel(x + rx, y + ry)), 180, 360, fill=colour)

    def line(self, colour: Colour, width: float, *points: Point) -> None:
        self.pen.line([self.pixel(*point) for point in points], fill=colour, width=round(self.length(width)))


def boat(sketch: Sketch, paint: Colour) -> None:
    sketch.ground(SEA, 74)
    sketch.block(BARK, 48, 10, 52, 68)
    sketch.polygon(WHITE, (55, 14), (55, 60), (84, 60))
    sketch.polygon(paint, (45, 22), (45, 60), (22, 60))
    sketch.polygon(DARK, (12, 65), (88, 65), (74, 84), (26, 84))


def car(sketch: Sketch, paint: Colour) -> None:
    sketch.ground(ROAD, 72)
    sketch.polygon(paint, (22, 52), (34, 30), (66, 30), (80, 52))
    sketch.polygon(GLASS, (30, 51), (38, 35), (48, 35), (48, 51))
    sketch.polygon(GLASS, (53, 51), (53, 35), (63, 35), (71, 51))
    sketch.block(paint, 6, 50, 94, 74, radius=8)
    sketch.block(GOLD, 87, 55, 94, 62)
    for x in (27, 73):
        sketch.disc(DARK, x, 75, 11)
        sketch.disc(WHITE, x, 75, 4)


def cat(sketch: Sketch, paint: Colour) -> None:
    sketch.fill(paint)
    for side in (-1, 1):
        sketch.polygon(DARK, (50 + 6 * side, 34), (50 + 38 * side, 48), (50 + 34 * side, 8))
    sketch.disc(DARK, 50, 56, 39, 33)
    for x in (34, 66):
        sketch.disc(GOLD, x, 50, 9)
        sketch.disc(DARK, x, 50, 3, 8)
    sketch.disc(WHITE, 50, 73, 16, 10)
    sketch.polygon((240, 140, 150), (43, 63), (57, 63), (50, 71))


def fish(sketch: Sketch, paint: Colour) -> None:
    sketch.fill(POND)
    sketch.polygon(paint, (66, 50), (94, 26), (94, 74))
    sketch.polygon(paint, (36, 36), (50, 16), (62, 36))
    sketch.disc(paint, 42, 50, 34, 23)
    sketch.polygon(WHITE, (44, 28), (52, 28), (52, 72), (44, 72))
    sketch.disc(WHITE, 24, 45, 7)
    sketch.disc(DARK, 23, 45, 4)


def flower(sketch: Sketch, paint: Colour) -> None:
    sketch.ground(GRASS, 86)
    sketch.block(STEM, 47, 44, 53, 92)
    sketch.disc(STEM, 64, 76, 14, 6)
    sketch.disc(STEM, 36, 82, 14, 6)
    for x, y in ((50, 20), (69, 34), (62, 56), (38, 56), (31, 34)):
        sketch.disc(paint, x, y, 14)
    sketch.disc(GOLD, 50, 40, 12)


def house(sketch: Sketch, paint: Colour) -> None:
    sketch.ground(GRASS, 82)
    sketch.block(DARK, 66, 16, 76, 40)
    sketch.block(WHITE, 18, 44, 82, 88)
    sketch.polygon(paint, (8, 46), (92, 46), (50, 10))
    sketch.block(BARK, 42, 60, 58, 88)
    for left in (24, 64):
        sketch.block(GLASS, left, 56, left + 12, 70)


def mug(sketch: Sketch, paint: Colour) -> None:
    sketch.ground(BARK, 78)
    sketch.arc(paint, 72, 58, 20, -90, 90, width=8)
    sketch.block(paint, 20, 32, 72, 90, radius=9)
    sketch.disc(WHITE, 46, 33, 26, 9)
    sketch.disc(DARK, 46, 34, 21, 6)
    for x in (36, 54):
        sketch.line(WHITE, 4, (x, 22), (x + 5, 15), (x, 8))


def rocket(sketch: Sketch, paint: Colour) -> None:
    sketch.fill(NIGHT)
    for x, y in ((14, 20), (84, 14), (22, 78), (88, 60)):
        sketch.disc(WHITE, x, y, 2.5)
    sketch.polygon(GOLD, (41, 76), (59, 76), (50, 98))
    sketch.polygon(paint, (38, 52), (22, 80), (38, 76))
    sketch.polygon(paint, (62, 52), (78, 80), (62, 76))
    sketch.block(WHITE, 36, 28, 64, 78, radius=6)
    sketch.polygon(paint, (36, 34), (64, 34), (50, 4))
    sketch.disc(SEA, 50, 48, 8)


def tree(sketch: Sketch, paint: Colour) -> None:
    sketch.ground(WHITE, 82)
    sketch.block(BARK, 43, 74, 57, 92)
    for top, half, bottom in ((38, 36, 78), (22, 29, 56), (6, 21, 36)):
        sketch.polygon(STEM, (50, top), (50 - half, bottom), (50 + half, bottom))
    for x, y in ((50, 28), (40, 48), (60, 48), (34, 71), (52, 66), (68, 72)):
        sketch.disc(paint, x, y, 4)
    sketch.disc(GOLD, 50, 8, 6)


def umbrella(sketch: Sketch, paint: Colour) -> None:
    sketch.line(BARK, 5, (50, 8), (50, 82))
    sketch.arc(BARK, 42, 80, 10.5, 0, 180, width=5)
    sketch.dome(paint, 50, 56, 42, 42)
    sketch.dome(WHITE, 50, 56, 16, 42)


PAINTERS = (boat, car, cat, fish, flower, house, mug, rocket, tree, umbrella)
CLASSES = tuple(painter.__name__ for painter in PAINTERS)


def label_of(seed: int, index: int) -> int:
    """The label of image `index`: its position in the shuffled classes of its block of ten."""
    block, place = divmod(index, len(PAINTERS))
    return Random(f"{seed}/objects/labels/{block}").sample(range(len(PAINTERS)), len(PAINTERS))[place]


class Drawing(NamedTuple):
    """What a picture shows, as drawn from its random stream."""

    attributes: dict[str, str]
    shift: Colour  # of the paint
    sky: Colour
    scale: float
    dx: float
    dy: float
    mirrored: bool


ATTRIBUTES = {"object": CLASSES, "colour": tuple(PAINTS)}  # {attribute: its values}


def drawing_of(seed: int, index: int) -> Drawing:
    """What image number `index` (>= 0) of the set `seed` shows."""
    random = Random(f"{seed}/objects/{index}")
    colour = random.choice(ATTRIBUTES["colour"])
    red, green, blue = (random.randint(-12, 12) for _ in range(3))
    return Drawing(
        {"object": CLASSES[label_of(seed, index)], "colour": colour},
        (red, green, blue),
        random.choice(SKIES),
        random.uniform(0.85, 1.05),
        random.uniform(-5, 5),
        random.uniform(-4, 4),
        random.random() < 0.5,
    )


def attributes(seed: int, index: int) -> dict[str, str]:
    """{attribute: value} of an image, in the order of ATTRIBUTES."""
    return drawing_of(seed, index).attributes


def caption(seed: int, index: int) -> str:
    """A phrase that says the attributes."""
    found = attributes(seed, index)
    article = "an" if found["colour"][0] in "aeiou" else "a"
    return f"{article} {found['colour']} {found['object']}"


def render(seed: int, index: int, changed: Mapping[str, str] = MappingProxyType({})) -> tuple[int, Image.Image]:
    """Label (0..9, an index of CLASSES) and image, RGB, SIZE pixels; with some attributes `changed`, and all else as it
    was."""
    drawing = drawing_of(seed, index)
    shown = drawing.attributes | dict(changed)
    label = CLASSES.index(shown["object"])
    red, green, blue = (c + s for c, s in zip(PAINTS[shown["colour"]], drawing.shift, strict=True))
    sketch = Sketch(drawing.sky, drawing.scale, drawing.dx, drawing.dy)
    PAINTERS[label](sketch, (red, green, blue))
    image = sketch.image.resize(SIZE, Image.Resampling.LANCZOS)
    return label, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if drawing.mirrored else image
