# SPDX-License-Identifier: AGPL-3.0-or-later
"""The plot of a work report: cases found and confirmed a day, as SVG. Pure."""

from __future__ import annotations

from collections.abc import Mapping

WIDTH, HEIGHT, FOOT, LABEL = 720, 180, 24, 34


def day_plot(
    days: Mapping[str, tuple[int, int]], found: str, confirmed: str, most_word: str
) -> str:
    """Bars of cases found a day, with the confirmed ones in front."""
    most = max((n for n, _ in days.values()), default=0) or 1
    step = WIDTH / max(len(days), 1)
    tall = HEIGHT - FOOT - 14
    bars = []
    for n, (day, (seen, real)) in enumerate(days.items()):
        left, wide = n * step + step * 0.12, step * 0.76
        for count, colour in ((seen, "--found"), (real, "--confirmed")):
            high = tall * count / most
            bars.append(
                f'<rect x="{left:.1f}" y="{HEIGHT - FOOT - high:.1f}" width="{wide:.1f}" '
                f'height="{high:.1f}" style="fill:var({colour})"/>'
            )
        middle = left + wide / 2
        if seen:
            top = HEIGHT - FOOT - tall * seen / most - 3
            bars.append(f'<text x="{middle:.1f}" y="{top:.1f}">{seen}</text>')
        if real and tall * real / most > 14:
            bars.append(f'<text class="in" x="{middle:.1f}" y="{HEIGHT - FOOT - 4}">{real}</text>')
        if len(days) <= 14 or n % 3 == 0:
            label = f"{int(day[5:7])}/{int(day[8:])}"
            # Half of a label may stick out at either end: paper ends there.
            at = min(max(middle, LABEL / 2), WIDTH - LABEL / 2)
            bars.append(f'<text x="{at:.1f}" y="{HEIGHT - 8}">{label}</text>')
    line = f'<line x1="0" x2="{WIDTH}" y1="{HEIGHT - FOOT}" y2="{HEIGHT - FOOT}" stroke="#888"/>'
    key = (
        f'<p class="key"><span style="background:var(--found)"></span>{found}'
        f'<span style="background:var(--confirmed)"></span>{confirmed} · {most_word}: {most}</p>'
    )
    drawn = "".join(bars)
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{found}"'
    return f"<svg {box}>{drawn}{line}</svg>{key}"
