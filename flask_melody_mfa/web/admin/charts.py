"""Charts as SVG, drawn on the server by pygal where it is installed (the extra `admin`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from flask import current_app
from werkzeug.wrappers import Response as BaseResponse

CSP = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""A picture is a document of its own: its style is within it, and nothing runs."""

COLORS = ("#3159d8", "#b54708", "#14703c", "#7a5af8")


def can_draw() -> bool:
    """Whether there is something to draw with."""
    return find_spec("pygal") is not None


def draw(title: str, labels: Sequence[str], series: Mapping[str, Sequence[int]]) -> str:
    """A bar chart: a bar for each label and series."""
    import pygal
    from pygal.style import Style

    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="#6b7487",
        guide_stroke_color="#8a93a644",
        major_guide_stroke_color="#8a93a644",
        foreground_strong="#6b7487",
        foreground_subtle="#8a93a6",
        colors=COLORS,
        font_family="system-ui, sans-serif",
        label_font_size=17,
        legend_font_size=18,
        transition="none",
    )
    chart = pygal.Bar(
        style=style,
        js=(),
        disable_xml_declaration=True,
        width=720,
        height=260,
        margin=8,
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        show_minor_x_labels=False,
        x_labels_major_every=7,
        truncate_label=-1,
        include_x_axis=True,
        value_formatter=lambda value: f"{value:.0f}",
        no_data_text="",
    )
    chart.x_labels = list(labels)
    chart.y_labels = steps(max((max(values) for values in series.values()), default=0))
    for name, values in series.items():
        chart.add(name, list(values))
    chart.title = None
    return str(chart.render())


def steps(most: int) -> list[int]:
    """Round marks from nothing to at least `most`."""
    size = 1
    for size in (power * step for power in (10**n for n in range(10)) for step in (1, 2, 5)):
        if size * 4 >= most:
            break
    return [size * mark for mark in range(5)]


def response(drawn: str) -> BaseResponse:
    """A chart as an answer."""
    answer = current_app.response_class(drawn, mimetype="image/svg+xml")
    answer.headers["Content-Security-Policy"] = CSP
    return answer
