"""Draws picture.png, the picture that `sealpost demo` sends: a sealed envelope over the sea at dusk.

Needs nothing but Python: python3 demo/draw.py > demo/picture.png
"""

import math
import struct
import sys
import zlib

WIDTH, HEIGHT, SAMPLES = 400, 260, 3


def mix(a, b, t):
    t = max(0.0, min(1.0, t))
    return tuple(x + (y - x) * t for x, y in zip(a, b))


def edge(point, a, b):
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])


def inside(point, *corners):
    sides = [edge(point, a, b) for a, b in zip(corners, corners[1:] + corners[:1])]
    return all(side >= 0 for side in sides) or all(side <= 0 for side in sides)


def sky(x, y):
    horizon = 168
    if y < horizon:
        colour = mix((24, 26, 66), (236, 122, 96), (y / horizon) ** 1.6)
        sun = math.hypot(x - 302, y - 150)
        return mix(colour, (255, 232, 170), 1.0 if sun < 26 else math.exp(-(sun - 26) / 28) * 0.7)
    depth = (y - horizon) / (HEIGHT - horizon)
    colour = mix((176, 96, 104), (20, 28, 64), depth**0.6)
    wave = math.sin(y * 0.9 + math.sin(x * 0.045 + y * 0.21) * 2.2)
    glint = math.exp(-(((x - 302) / (16 + 70 * depth)) ** 2))
    return mix(colour, (255, 214, 160), max(0.0, wave) * glint * 0.8)


def envelope(x, y):
    """The envelope's colour at a point, or None beside it. It is turned a little."""
    angle = math.radians(-8)
    dx, dy = x - 158, y - 128
    u = dx * math.cos(angle) - dy * math.sin(angle)
    v = dx * math.sin(angle) + dy * math.cos(angle)
    half_width, half_height = 100, 64
    if abs(u) > half_width or abs(v) > half_height:
        return None
    point = (u, v)
    left_top, right_top = (-half_width, -half_height), (half_width, -half_height)
    left_low, right_low = (-half_width, half_height), (half_width, half_height)
    seal = math.hypot(u, v - 8)
    if seal < 23 + 1.6 * math.sin(math.atan2(v - 8, u) * 9):
        if 7 < seal < 14:
            return mix((150, 24, 40), (112, 14, 30), (seal - 7) / 7)
        return mix((206, 48, 60), (160, 26, 44), (u + v + 30) / 50)
    if inside(point, left_top, right_top, (0, 14)):
        rim = min(abs(edge(point, left_top, (0, 14))), abs(edge(point, (0, 14), right_top))) / 127
        return mix((214, 196, 164), (252, 244, 224), rim / 5)
    if inside(point, left_low, right_low, (0, 0)):
        return mix((240, 228, 202), (226, 210, 180), (half_height - v) / 70)
    return mix((232, 218, 190), (218, 202, 170), (v + half_height) / 128)


def colour(x, y):
    letter = envelope(x, y)
    if letter is not None:
        return letter
    shadow = envelope(x - 7, y - 10)
    base = sky(x, y)
    return mix(base, (10, 12, 34), 0.45) if shadow is not None else base


def row(y):
    out = bytearray()
    for x in range(WIDTH):
        total = [0.0, 0.0, 0.0]
        for sx in range(SAMPLES):
            for sy in range(SAMPLES):
                sample = colour(x + (sx + 0.5) / SAMPLES, y + (sy + 0.5) / SAMPLES)
                total = [a + b for a, b in zip(total, sample)]
        out += bytes(min(255, max(0, round(value / SAMPLES**2 / 4) * 4)) for value in total)
    return out


def filtered(rows):
    """PNG's "up" filter: gradients become runs of small numbers."""
    before = bytes(WIDTH * 3)
    for line in rows:
        yield b"\x02" + bytes((a - b) & 0xFF for a, b in zip(line, before))
        before = line


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main():
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(filtered(row(y) for y in range(HEIGHT))), 9)
    sys.stdout.buffer.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


main()
