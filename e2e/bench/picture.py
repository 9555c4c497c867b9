"""Ratios as bars: the line is Apache Kafka. Where more is better the bar is green, where less is better it is blue."""


def ratio(kafka, ours):
    return ours / kafka if kafka else 0


def picture(rows, path, title, more_is_better=lambda name: name.endswith("MB/s")):
    ratios = [ratio(kafka, ours) for _, kafka, ours in rows]
    # One bar that is far beyond the others would leave nothing to see of them.
    height, left, most = 28, 360, min(4.0, max(1, *ratios))
    scale = 420 / most
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="980" height="{height * len(rows) + 70}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="10" y="22" font-weight="bold">Odradek beside Apache Kafka 4.4.0 (the line) in the same run; green: more is better, blue: less is better</text>',
        f'<text x="10" y="42">{title}</text>',
    ]
    for at, (name, kafka, ours) in enumerate(rows):
        colour = "#3a7d44" if more_is_better(name) else "#2f6f8f"
        y = 56 + at * height
        width = max(2, min(most, ratios[at]) * scale)
        lines.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{name}</text>')
        lines.append(f'<rect x="{left}" y="{y}" width="{width:.0f}" height="20" fill="{colour}"/>')
        lines.append(f'<text x="{left + width + 6:.0f}" y="{y + 15}">{ratios[at]:.2f} ({ours:.1f} : {kafka:.1f})</text>')
    lines.append(f'<line x1="{left + scale:.0f}" y1="50" x2="{left + scale:.0f}" y2="{56 + len(rows) * height}" stroke="#999"/></svg>')
    path.write_text("\n".join(lines))


def table(rows):
    width = max(26, *(len(name) for name, _, _ in rows)) + 1
    text = [f"{'':{width}}{'Kafka 4.4.0':>14}{'Odradek':>12}{'ratio':>9}"]
    return text + [f"{name:{width}}{kafka:14.2f}{ours:12.2f}{ratio(kafka, ours):9.2f}" for name, kafka, ours in rows]
