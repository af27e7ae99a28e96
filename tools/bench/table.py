"""The bench's results in words: tables for the terminal and for docs/."""

from __future__ import annotations

from srgan.results.tables import Table

SIZES = {"whole": "", "gpu": " with --gpu", "quick": " with --quick: small networks and few rounds, only a hint"}
BUSY = 0.5  # load average above which something else runs


def header(results: dict) -> list[str]:
    """The machine and what ran on it."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    flags = ", ".join(results["flags"]) or "none known"
    before, after = results["load"]
    when = results["when"] + SIZES[results["size"]]
    lines = [
        f"Machine: {results['machine']}, {results['memory'] / 2**30:.0f} GiB; vector extensions: {flags}.",
        f"Versions: {versions}; commit {results['commit']}.",
        f"Measured {when}; load average {before:.1f} before and {after:.1f} at the end.",
    ]
    if before > BUSY:
        lines.append("Something else was running: medians are too long and ratios uncertain. Measure again on an idle machine.")
    return lines


def rows(section: dict) -> list[list[str]]:
    """The table of one section as text, the head first. What failed has its reason in place of all numbers."""
    extra = list(dict.fromkeys(name for row in section["rows"] for name in row.get("also", {})))
    head = ["", "median", "middle half", *(["times ours"] if section["compares"] else []), *extra, "peak memory"]
    table = [head]
    for row in section["rows"]:
        name = f"{row['name']}, {row['format']}" if row["format"] and row["format"] not in row["name"] else row["name"]
        if row["failed"]:
            table.append([name, row["failed"]])
            continue
        cells = [name, duration(row["median"]), " to ".join(duration(value) for value in row["quartiles"])]
        if section["compares"]:
            cells.append("" if row["times"] is None else f"{row['times']:.2f}")
        cells += [_number(key, row.get("also", {}).get(key)) for key in extra]
        table.append([*cells, f"{row['peak_memory'] / 2**20:,.0f} MiB"])
    return table


def text(section: dict) -> str:
    """One section for the terminal: columns that stand straight, a reason wherever it ends."""
    table = rows(section)
    whole = [row for row in table if len(row) == len(table[0])]
    first, *others = (max(len(row[i]) for row in (table if i == 0 else whole)) for i in range(len(table[0])))
    lines = [section["title"]]
    for name, *cells in table:
        if len(cells) == len(others):
            cells = [cell.rjust(width) for cell, width in zip(cells, others, strict=True)]
        lines.append("  ".join([name.ljust(first), *cells]))
    return "\n".join(lines)


def markdown(results: dict) -> str:
    """The part of docs/bench.md that is of one machine."""
    parts = ["\n".join(f"- {line}" for line in header(results))]
    for section in results["sections"].values():
        head, *others = rows(section)
        parts += [f"### {section['title']}", Table(head, others, numeric=True).markdown()]
    return "\n\n".join(parts)


def mark(results: dict) -> str:
    """Whose part of the page it is: docs/bench.md has one for each kind of machine."""
    if results["size"] == "gpu":
        return "bench --gpu"
    return f"bench, {'with' if 'amx_bf16' in results['flags'] else 'without'} amx_bf16"


def duration(seconds: float) -> str:
    """Three digits: "1.23 s", "45.6 ms", "789 µs"."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{_three(seconds / size)} {unit}"
    return f"{_three(seconds / 1e-6)} µs"


def _number(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0%}" if name.startswith("of the") else _three(value)


def _three(value: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{value:,.{max(0, 3 - len(str(int(value))))}f}"
