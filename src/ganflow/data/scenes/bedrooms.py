"""Synthetic bedrooms rendered in perspective: replace LSUN bedroom where nothing can be downloaded.

An image is a pure function of (seed, index). Few palettes, three window positions, three lights and no texture, so that
a small network learns the beds in minutes. Lengths are metres: x to the right from the middle of the room, y up from
the floor, z away from the camera.
"""

from collections.abc import Mapping
from random import Random
from types import MappingProxyType
from typing import NamedTuple

from PIL import Image, ImageDraw

SIZE = (80, 64)  # width, height in pixels; the centre crop keeps the middle 64 columns
OVERSAMPLING = 3

ROOM_HALF_WIDTH, ROOM_HEIGHT, BACK, NEAR = 1.8, 2.5, 4.0, 1.0
BED_TOP, BED_FOOT = 0.55, BACK - 1.95
BED_MIDDLE = 3.0  # distance at which the bed is centred in the image

Colour = tuple[int, int, int]
Span = tuple[float, float]  # from, to
Point = tuple[float, float, float]


class Palette(NamedTuple):
    """The colours of one room in daylight; white is the ceiling and all other white paint."""

    wall: Colour
    floor: Colour
    wood: Colour
    cover: Colour
    accent: Colour
    white: Colour = (246, 244, 238)


class Light(NamedTuple):
    """The light of a time of day: factors (0..1) for red, green and blue, colours of linen and of the view outside."""

    tint: tuple[float, float, float]
    linen: Colour
    sky: Colour
    land: Colour
    lamps_lit: bool


PALETTES = {  # by the colour of the bed's cover
    "blue": Palette(
        wall=(238, 220, 178), floor=(150, 100, 62), wood=(84, 50, 30), cover=(40, 92, 176), accent=(224, 168, 60)
    ),
    "red": Palette(
        wall=(150, 188, 220), floor=(176, 128, 84), wood=(92, 56, 34), cover=(196, 48, 46), accent=(246, 240, 224)
    ),
    "white": Palette(
        wall=(168, 204, 164), floor=(142, 98, 66), wood=(74, 48, 34), cover=(242, 238, 226), accent=(212, 110, 52)
    ),
    "green": Palette(
        wall=(236, 196, 186), floor=(170, 124, 88), wood=(98, 60, 40), cover=(46, 132, 110), accent=(176, 60, 76)
    ),
    "yellow": Palette(
        wall=(232, 230, 226), floor=(122, 88, 64), wood=(48, 40, 40), cover=(228, 160, 36), accent=(72, 82, 100)
    ),
    "cream": Palette(
        wall=(98, 124, 162), floor=(188, 148, 106), wood=(70, 46, 36), cover=(238, 232, 216), accent=(206, 74, 58)
    ),
}

LIGHTS = {
    "day": Light(
        tint=(1.0, 1.0, 1.0), linen=(252, 251, 248), sky=(176, 218, 252), land=(104, 164, 84), lamps_lit=False
    ),
    "evening": Light(
        tint=(1.0, 0.89, 0.78), linen=(255, 232, 206), sky=(252, 166, 98), land=(112, 74, 78), lamps_lit=False
    ),
    "night": Light(tint=(0.84, 0.77, 0.72), linen=(248, 232, 204), sky=(30, 40, 92), land=(14, 20, 44), lamps_lit=True),
}

ATTRIBUTES = {  # {attribute: its values}
    "time": tuple(LIGHTS),
    "bed": tuple(PALETTES),
    "window": ("beside", "behind", "side"),  # of the bed's head; the latter is in a side wall
    "rug": ("yes", "no"),
}

LAMPLIGHT = (255, 232, 160)


class Room(NamedTuple):
    """What a picture shows, as drawn from its random stream; `attributes` decide what is in the room."""

    attributes: dict[str, str]
    brightness: float
    eye: float  # place of the camera, to the right of the bed's middle
    height: float
    focal: float  # size in pixels of one metre seen from one metre
    half: float  # of the bed's width
    headboard: float  # its height
    throw: bool
    cushion: bool
    mirrored: bool


def scaled(colour: Colour, *factors: float) -> Colour:
    """The colour times one factor, or times one for each channel."""
    by_channel = factors * (3 // len(factors))
    red, green, blue = (min(255, round(value * factor)) for value, factor in zip(colour, by_channel, strict=True))
    return red, green, blue


class Canvas:
    """An image onto which shapes given in metres are projected; later shapes cover earlier ones."""

    def __init__(self, eye: float, height: float, focal: float):
        """Look along z from (eye, height, 0) metres; `focal` pixels is the size of one metre seen from one metre."""
        width, rows = SIZE[0] * OVERSAMPLING, SIZE[1] * OVERSAMPLING
        self.image = Image.new("RGB", (width, rows))
        self.pen = ImageDraw.Draw(self.image)
        self.eye, self.height, self.focal = eye, height, focal
        self.vanishing_x = width / 2 + eye * focal / BED_MIDDLE
        self.vanishing_y = rows * 0.66 - (height - BED_TOP) * focal / BED_MIDDLE

    def pixel(self, x: float, y: float, z: float) -> tuple[float, float]:
        scale = self.focal / z
        return self.vanishing_x + (x - self.eye) * scale, self.vanishing_y - (y - self.height) * scale

    def polygon(self, colour: Colour, *corners: Point) -> None:
        self.pen.polygon([self.pixel(*corner) for corner in corners], fill=colour)

    def front(self, colour: Colour, x: Span, y: Span, z: float) -> None:
        """An upright rectangle that faces the camera."""
        self.polygon(colour, (x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z))

    def side(self, colour: Colour, x: float, y: Span, z: Span) -> None:
        """An upright rectangle that runs away from the camera."""
        self.polygon(colour, (x, y[0], z[0]), (x, y[0], z[1]), (x, y[1], z[1]), (x, y[1], z[0]))

    def level(self, colour: Colour, x: Span, y: float, z: Span) -> None:
        """A horizontal rectangle."""
        self.polygon(colour, (x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1]))

    def cushion(self, colour: Colour, x: Span, y: Span, z: float) -> None:
        """An upright rectangle with round corners."""
        box = (*self.pixel(x[0], y[1], z), *self.pixel(x[1], y[0], z))
        self.pen.rounded_rectangle(box, radius=0.4 * (y[1] - y[0]) * self.focal / z, fill=colour)

    def ellipse(self, colour: Colour, x: Span, y: Span, z: float) -> None:
        """An upright ellipse."""
        self.pen.ellipse((*self.pixel(x[0], y[1], z), *self.pixel(x[1], y[0], z)), fill=colour)

    def box(self, colour: Colour, x: Span, y: Span, z: Span) -> None:
        """A block lit from above: the top bright, the front darker, the visible side darkest."""
        if not x[0] <= self.eye <= x[1]:
            self.side(scaled(colour, 0.58), x[0] if self.eye < x[0] else x[1], y, z)
        self.front(scaled(colour, 0.74), x, y, z[0])
        self.level(colour, x, y[1], z)


def walls(canvas: Canvas, palette: Palette) -> None:
    """Ceiling, floor, three walls and the skirting board of the back wall."""
    across, up, along = (-ROOM_HALF_WIDTH, ROOM_HALF_WIDTH), (0.0, ROOM_HEIGHT), (NEAR, BACK)
    canvas.level(palette.white, across, ROOM_HEIGHT, along)
    canvas.level(palette.floor, across, 0.0, along)
    canvas.side(scaled(palette.wall, 0.84), -ROOM_HALF_WIDTH, up, along)
    canvas.side(scaled(palette.wall, 0.70), ROOM_HALF_WIDTH, up, along)
    canvas.front(palette.wall, across, up, BACK)
    canvas.front(palette.white, across, (0.0, 0.1), BACK)


def window(canvas: Canvas, palette: Palette, light: Light, x: Span, y: Span) -> None:
    """A window of two panes in the back wall, between two curtains that hang from a rod."""
    middle, sill, curtain = (x[0] + x[1]) / 2, y[0], 0.18
    canvas.front(palette.white, (x[0] - 0.06, x[1] + 0.06), (y[0] - 0.06, y[1] + 0.06), BACK)
    canvas.front(light.sky, x, y, BACK)
    canvas.front(light.land, x, (sill, sill + 0.3 * (y[1] - sill)), BACK)
    canvas.front(palette.white, (middle - 0.03, middle + 0.03), y, BACK)
    for left in (x[0] - curtain, x[1]):
        canvas.front(palette.accent, (left, left + curtain), (y[0] - 0.2, y[1] + 0.08), BACK)
        canvas.front(scaled(palette.accent, 0.78), (left + 0.07, left + 0.12), (y[0] - 0.2, y[1] + 0.08), BACK)
    canvas.front(palette.wood, (x[0] - 0.25, x[1] + 0.25), (y[1] + 0.06, y[1] + 0.13), BACK)


def side_window(canvas: Canvas, palette: Palette, light: Light) -> None:
    """A tall window in the left wall, between two curtains."""
    wall, bottom, top = -ROOM_HALF_WIDTH, 0.9, 2.1
    canvas.side(palette.white, wall, (bottom - 0.06, top + 0.06), (2.6, 3.7))
    canvas.side(light.sky, wall, (bottom, top), (2.65, 3.65))
    canvas.side(light.land, wall, (bottom, bottom + 0.35), (2.65, 3.65))
    for near, far in ((2.4, 2.75), (3.5, 3.85)):
        canvas.side(scaled(palette.accent, 0.86), wall, (bottom - 0.3, top + 0.12), (near, far))


def picture(canvas: Canvas, palette: Palette, x: Span, y: Span) -> None:
    """A framed landscape on the back wall."""
    canvas.front(palette.wood, (x[0] - 0.05, x[1] + 0.05), (y[0] - 0.05, y[1] + 0.05), BACK)
    canvas.front(palette.white, x, y, BACK)
    canvas.front(palette.accent, x, (y[0], 0.6 * y[0] + 0.4 * y[1]), BACK)


def rug(canvas: Canvas, palette: Palette) -> None:
    """A rug with a border, under the bed and on both sides of it."""
    canvas.level(palette.white, (-1.35, 1.35), 0.0, (1.4, 2.95))
    canvas.level(palette.accent, (-1.25, 1.25), 0.0, (1.5, 2.85))


def glow(canvas: Canvas, palette: Palette, x: float) -> None:
    """The light that a lamp around x throws on the back wall."""
    for radius, gain in ((0.52, 0.16), (0.40, 0.30), (0.28, 0.46)):
        colour = scaled(palette.wall, 1 + gain, 1 + 0.9 * gain, 1 + 0.5 * gain)
        canvas.ellipse(colour, (x - radius, x + radius), (1.0 - 1.2 * radius, 1.0 + 1.2 * radius), BACK)


def bedside(canvas: Canvas, palette: Palette, light: Light, x: float) -> None:
    """A table with a lamp against the back wall, around x."""
    canvas.box(scaled(palette.wood, 1.3), (x - 0.23, x + 0.23), (0.0, 0.5), (BACK - 0.4, BACK))
    z, bottom, top = BACK - 0.2, 0.76, 1.08
    canvas.front(scaled(palette.wood, 0.7), (x - 0.04, x + 0.04), (0.5, 0.8), z)
    shade = LAMPLIGHT if light.lamps_lit else scaled(light.linen, 0.97, 0.93, 0.80)
    canvas.polygon(shade, (x - 0.21, bottom, z), (x + 0.21, bottom, z), (x + 0.13, top, z), (x - 0.13, top, z))


def bed(canvas: Canvas, palette: Palette, light: Light, room: Room) -> None:
    """A bed seen from its foot, perhaps with a throw and a cushion."""
    head, half = BACK - 0.08, room.half
    canvas.level(scaled(palette.floor, 0.6), (-half - 0.12, half + 0.12), 0.0, (BED_FOOT - 0.08, BACK))
    canvas.front(palette.wood, (-half - 0.08, half + 0.08), (0.0, room.headboard), head)
    canvas.box(palette.wood, (-half, half), (0.0, 0.2), (BED_FOOT, head))
    canvas.box(palette.cover, (-half, half), (0.14, BED_TOP), (BED_FOOT, head))
    canvas.level(scaled(light.linen, 0.94), (-half, half), BED_TOP, (head - 0.85, head))
    canvas.level(scaled(light.linen, 0.72), (-half, half), BED_TOP, (head - 0.92, head - 0.82))
    if room.throw:
        canvas.level(palette.accent, (-half, half), BED_TOP, (BED_FOOT + 0.2, BED_FOOT + 0.6))
    for middle in (-half / 2, half / 2):
        across = (middle - 0.44 * half, middle + 0.44 * half)
        canvas.cushion(scaled(light.linen, 0.72), across, (BED_TOP - 0.06, BED_TOP + 0.36), head - 0.2)
        canvas.cushion(light.linen, across, (BED_TOP, BED_TOP + 0.36), head - 0.2)
    if room.cushion:
        canvas.cushion(palette.accent, (-0.25, 0.25), (BED_TOP, BED_TOP + 0.25), head - 0.4)


def furnish(canvas: Canvas, palette: Palette, light: Light, room: Room) -> None:
    """Renders a room from back to front."""
    bedsides = (-room.half - 0.36, room.half + 0.36)
    walls(canvas, palette)
    if light.lamps_lit:
        for x in bedsides:
            glow(canvas, palette, x)
    place = room.attributes["window"]
    if place == "beside":
        window(canvas, palette, light, x=(-1.42, -0.72), y=(1.3, 2.12))
        picture(canvas, palette, x=(-0.2, 0.6), y=(1.45, 1.95))
    elif place == "behind":
        window(canvas, palette, light, x=(-0.7, 0.7), y=(1.2, 2.15))
    else:
        side_window(canvas, palette, light)
        picture(canvas, palette, x=(-0.65, -0.15), y=(1.42, 1.98))
        picture(canvas, palette, x=(0.15, 0.65), y=(1.42, 1.98))
    if room.attributes["rug"] == "yes":
        rug(canvas, palette)
    for x in bedsides:
        bedside(canvas, palette, light, x)
    bed(canvas, palette, light, room)


def room_of(seed: int, index: int) -> Room:
    """What image `index` (>= 0) of the set `seed` shows."""
    random = Random(f"{seed}/bedrooms/{index}")
    time = random.choices(ATTRIBUTES["time"], weights=(3, 1, 2))[0]
    brightness = random.uniform(0.94, 1.02)
    colours = random.choice(ATTRIBUTES["bed"])
    standing_aside = random.random() < 0.2  # else at the foot of the bed
    eye = random.uniform(0.6, 0.8) if standing_aside else random.uniform(-0.25, 0.25)
    height, focal = random.uniform(1.4, 1.85), random.uniform(152, 170)
    half = random.uniform(0.74, 0.86)
    place, with_rug = random.choice(ATTRIBUTES["window"]), random.random() < 0.5
    return Room(
        {"time": time, "bed": colours, "window": place, "rug": "yes" if with_rug else "no"},
        brightness,
        eye,
        height,
        focal,
        half,
        headboard=random.uniform(1.05, 1.25),
        throw=random.random() < 0.5,
        cushion=random.random() < 0.4,
        mirrored=random.random() < 0.5,
    )


def attributes(seed: int, index: int) -> dict[str, str]:
    """{attribute: value} of an image, in the order of ATTRIBUTES."""
    return room_of(seed, index).attributes


def caption(seed: int, index: int) -> str:
    """A sentence that says the attributes."""
    found = attributes(seed, index)
    place = {"beside": "a window beside", "behind": "a window behind", "side": "a side window and pictures behind"}
    rug_said = "on a rug" if found["rug"] == "yes" else "without a rug"
    return f"a {found['bed']} bed {rug_said}, {place[found['window']]} it, in the light of {found['time']}"


def render(seed: int, index: int, changed: Mapping[str, str] = MappingProxyType({})) -> Image.Image:
    """An image, RGB, SIZE pixels; with `changed` attributes the same room but for these."""
    room = room_of(seed, index)
    room = room._replace(attributes=room.attributes | dict(changed))
    light = LIGHTS[room.attributes["time"]]
    tint = tuple(room.brightness * factor for factor in light.tint)
    palette = Palette(*(scaled(colour, *tint) for colour in PALETTES[room.attributes["bed"]]))
    canvas = Canvas(room.eye, room.height, room.focal)
    furnish(canvas, palette, light, room)
    image = canvas.image.resize(SIZE, Image.Resampling.LANCZOS)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if room.mirrored else image
