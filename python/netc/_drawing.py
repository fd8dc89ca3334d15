"""The graph of a model as SVG, for notebooks."""
from __future__ import annotations

import html
from typing import Any, Dict, List

ROW, WIDTH, MOST = 26, 260, 400


def draw_layers(nodes: List[Dict[str, Any]]) -> str:
    """One box per operation in their order; values that go past the next box are arcs. `nodes`: {op, in, shape}; value 0 is the first input.

    Empty for models of more than 400 operations, which nobody reads as a drawing.
    """
    drawn = [index for index, node in enumerate(nodes) if node["op"] != "get_parameter"]
    if not drawn or len(drawn) > MOST:
        return ""
    values = max((value for node in nodes for value in node["in"]), default=0)
    inputs = max(1, values + 1 - len(nodes)) if values >= len(nodes) else 1
    place = {inputs + index: row + 1 for row, index in enumerate(drawn)}  # value: row; 0 is the input
    boxes = [_box(0, "input", "")]
    lines = []
    for row, index in enumerate(drawn):
        node = nodes[index]
        name = next((nodes[value - inputs].get("parameter", "").rpartition(".")[0] for value in node["in"]
                     if value >= inputs and nodes[value - inputs]["op"] == "get_parameter"), "")
        title = node.get("kind", node["op"]) if node["op"] == "activation" else node["op"]
        shape = "\u00d7".join(str(size) for size in node["shape"][1:])
        boxes.append(_box(row + 1, f"{title} {name}".strip(), shape))
        for value in node["in"]:
            source = place.get(value, 0 if value < inputs else None)
            if source is not None:
                lines.append(_line(source, row + 1))
    height = ROW * (len(drawn) + 1) + 8
    return (f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH + 160}' height='{height}' font-family='sans-serif' font-size='11'>"
            f"<g fill='none' stroke='#789'>{''.join(lines)}</g>{''.join(boxes)}</svg>")


def _box(row: int, title: str, shape: str) -> str:
    y = 4 + ROW * row
    return (f"<rect x='4' y='{y}' width='{WIDTH}' height='18' rx='3' fill='#eef4fb' stroke='#789'/><text x='10' y='{y + 13}'>{html.escape(title)}</text>"
            f"<text x='{WIDTH - 4}' y='{y + 13}' text-anchor='end' fill='#567'>{html.escape(shape)}</text>")


def _line(source: int, target: int) -> str:
    begin, end = 4 + ROW * source + 18, 4 + ROW * target
    if target == source + 1:
        return f"<path d='M{WIDTH // 2} {begin}V{end}'/>"
    x, bend = WIDTH + 4, WIDTH + 4 + min(150, 12 + 6 * (target - source))
    return f"<path d='M{x} {begin - 9}C{bend} {begin - 9} {bend} {end + 9} {x} {end + 9}'/>"
