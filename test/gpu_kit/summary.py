"""report.json, report.md and the table at the end, from the steps' rows."""
import json

from rows import FAIL, INFO, LATE, PASS, SKIP

LINES = 60  # of the table


def merged(rows):
    """A later measurement of the same name takes the earlier one's place."""
    found, measured = [], {}
    for row in rows:
        if row["verdict"] == INFO and row["name"] in measured:
            found[measured[row["name"]]] = row
            continue
        if row["verdict"] == INFO:
            measured[row["name"]] = len(found)
        found.append(row)
    return found


def counts(rows):
    return {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in (PASS, FAIL, SKIP, LATE, INFO)}


def totals(steps):
    sums = counts([row for step in steps for row in step["rows"]])
    late = sums[LATE] + sum(step["verdict"] == LATE for step in steps)
    words = [f"{sums[PASS]} passed", f"{sums[FAIL]} failed"]
    return ", ".join(words + ([f"{sums[SKIP]} skipped"] if sums[SKIP] else []) + ([f"{late} not run for want of time"] if late else []))


def write(out, about, steps):
    document = {**about, "totals": totals(steps), "steps": steps}
    (out / "report.json").write_text(json.dumps(document, indent=1) + "\n")
    (out / "report.md").write_text(markdown(about, steps))


def markdown(about, steps):
    lines = ["# GPU kit", "", f"{about['where']}; kit {about['kit']}, {about['date']}. {totals(steps)}.", ""]
    for step in steps:
        lines += [f"## {step['name']}: {step['verdict']}, {step['seconds']:.0f} s", ""]
        if step["why"]:
            lines += ["```", step["why"], "```", ""]
        if step["rows"]:
            lines += ["| | case | |", "|---|---|---|"]
            lines += [f"| {row['verdict']} | {cell(row['name'])} | {cell(row['detail'])} |" for row in step["rows"]] + [""]
    return "\n".join(lines)


def cell(text):
    return text.replace("|", "\\|").replace("\n", "<br>")


def step_line(step):
    found = counts(step["rows"])
    words = f"{found[PASS]} passed, {found[FAIL]} failed" if found[PASS] or found[FAIL] else ""
    words += "".join(f", {found[verdict]} {word}" for verdict, word in ((SKIP, "skipped"), (LATE, "not run")) if found[verdict])
    words += f", {found[INFO]} measured" if found[INFO] else ""
    return f"{step['name']:<22} {step['verdict']:<8} {step['seconds']:5.0f} s  {words.removeprefix(', ')}"


def one_line(text, width=150):
    line = " / ".join(part.strip() for part in text.strip().splitlines())
    return line if len(line) <= width else line[:width - 1] + "…"


def table(about, steps):
    """At most LINES lines: the steps, what failed, what was measured; what does not fit is in the report."""
    head = [one_line(about["where"])] + [step_line(step) for step in steps]
    failures = [f"FAIL {step['name']}: {one_line(step['why'])}" for step in steps if step["why"] and step["verdict"] == FAIL]
    failures += [f"FAIL {step['name']}/{row['name']}: {one_line(row['detail'])}" for step in steps for row in step["rows"] if row["verdict"] == FAIL]
    measured = [f"{row['name']}: {one_line(row['detail'])}" for step in steps for row in step["rows"] if row["verdict"] == INFO]
    left = LINES - len(head) - 1
    shown = shorten(failures, max(left // 2, left - len(measured)))
    return head + shown + shorten(measured, left - len(shown)) + [totals(steps)]


def shorten(lines, most):
    return lines if len(lines) <= most else lines[:most - 1] + [f"… and {len(lines) - most + 1} more in report.md"]
