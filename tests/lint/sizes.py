# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and functions stay small: file median <= 250 lines and 90 % <= 750; function median <= 15,
90 % <= 55, none over 150. A function counts from its opening to its closing brace, which the format
puts into the first column. Tests do not count."""
import house


def percentile(numbers, share):
    numbers = sorted(numbers)
    return numbers[min(len(numbers) - 1, int(len(numbers) * share))] if numbers else 0


file_sizes, functions = [], []
for path in house.files(".c", ".h"):
    if path.startswith("tests/"):
        continue
    lines = house.read(path).split("\n")
    file_sizes.append(len(lines))
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            functions.append((number - start + 1, f"{path}:{start}"))
            start = None

sizes = [size for size, _ in functions]
limits = [
    ("file median", percentile(file_sizes, 0.5), 250),
    ("file 90th percentile", percentile(file_sizes, 0.9), 750),
    ("function median", percentile(sizes, 0.5), 15),
    ("function 90th percentile", percentile(sizes, 0.9), 55),
]
bad = [f"{what}: {got} lines, over {most}" for what, got, most in limits if got > most]
bad += [f"{where}: a function of {size} lines, over 150" for size, where in functions if size > 150]
print(f"{len(file_sizes)} files, {len(sizes)} functions: "
      + ", ".join(f"{what} {got}" for what, got, _ in limits)
      + f", largest function {max(sizes, default=0)}")
house.report("sizes", bad)
