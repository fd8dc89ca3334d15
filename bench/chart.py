"""Line charts as small SVG files, without a plotting library."""
import math
import pathlib

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 44, 56
COLOURS = ["#4c72b0", "#c44e52", "#55a868", "#8172b2", "#937860", "#da8bc3", "#64b5cd", "#8c8c8c"]


class Axis:
    """Maps values to pixels; logarithmic where asked."""

    def __init__(self, low, high, begin, end, log=False):
        self.log = log
        self.low, self.high, self.begin, self.end = self._scale(low), self._scale(high), begin, end

    def _scale(self, value):
        return math.log10(value) if self.log else value

    def __call__(self, value):
        share = (self._scale(value) - self.low) / ((self.high - self.low) or 1)
        return self.begin + share * (self.end - self.begin)


def ticks(high, about=6):
    """Round numbers from 0 to at least `high`."""
    raw = high / about
    step = 10 ** math.floor(math.log10(raw))
    step = next(step * m for m in (1, 2, 2.5, 5, 10) if step * m >= raw)
    return [step * i for i in range(math.ceil(high / step) + 1)]


def text(x, y, words, anchor="middle", size=13, colour="#333", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}" {extra}>{words}</text>'


def line_chart(path, title, xlabel, ylabel, series, xticks, logx=False, dashed=()):
    """`series`: name -> [(x, y)]. y starts at 0. Names in `dashed` are drawn so."""
    points = [point for line in series.values() for point in line]
    yticks = ticks(max(y for _, y in points) * 1.02)
    x = Axis(min(xticks), max(xticks), LEFT, WIDTH - RIGHT, logx)
    y = Axis(0, yticks[-1], HEIGHT - BOTTOM, TOP)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', text(LEFT, 24, title, "start", 15)]
    for value in yticks:
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#ddd"/>')
        out.append(text(LEFT - 8, y(value) + 4, f"{value:g}", "end"))
    for value in xticks:
        out.append(f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 5}" stroke="#333"/>')
        out.append(text(x(value), HEIGHT - BOTTOM + 20, f"{value:g}"))
    out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}" stroke="#333"/>')
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, xlabel))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(text(20, middle, ylabel, extra=f'transform="rotate(-90 20 {middle:.1f})"'))
    labels = []
    for colour, (name, line) in zip(COLOURS, series.items()):
        path_points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line)
        dash = ' stroke-dasharray="6 4"' if name in dashed else ""
        out.append(f'<polyline points="{path_points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        out += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3" fill="{colour}"/>' for a, b in line]
        labels.append([y(line[-1][1]), x(line[-1][0]), name, colour])
    labels.sort()
    for above, label in zip(labels, labels[1:]):  # keep them legible
        label[0] = max(label[0], above[0] + 15)
    out += [text(at + 8, height + 4, name, "start", colour=colour) for height, at, name, colour in labels]
    pathlib.Path(path).write_text("\n".join(out + ["</svg>\n"]))
