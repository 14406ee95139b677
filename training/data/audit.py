"""What a data folder holds, for a person to read: counts, unreadable files, duplicates, sizes."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from training.data.images import Folder, read, scan


@dataclass(frozen=True)
class Findings:
    """The result of a check. Files are relative to the data folder."""

    folder: Folder
    unreadable: dict[str, str]  # file → what is wrong
    twins: list[list[str]]  # groups of byte-identical files
    sizes: Counter[tuple[int, int]]  # (width, height) → files

    @property
    def contradictions(self) -> list[list[str]]:
        """Byte-identical files that stand under different species."""
        return [group for group in self.twins if len({file.split("/")[0] for file in group}) > 1]


def check(root: Path) -> Findings:
    """Read every image of a data folder. Raises DataError for a folder that holds none."""
    folder = scan(root)
    unreadable: dict[str, str] = {}
    by_digest: dict[str, list[str]] = {}
    sizes: Counter[tuple[int, int]] = Counter()
    for file, decoded, digest in read(folder):
        if isinstance(decoded, str):
            unreadable[file] = decoded
        else:
            by_digest.setdefault(digest, []).append(file)
            with Image.open(root / file) as image:
                sizes[image.size] += 1
    return Findings(folder, unreadable, [group for group in by_digest.values() if len(group) > 1], sizes)


def text(findings: Findings) -> str:
    """The findings as lines for a terminal."""
    counts = findings.folder.counts()
    total = sum(counts.values())
    width, peak = max(map(len, counts)), max(counts.values())
    lines = [f"{total} images of {len(counts)} species in {findings.folder.root}", ""]
    lines += [f"{name:<{width}} {n:>6} {n / total:>6.1%}  {'█' * round(40 * n / peak)}" for name, n in counts.items()]
    common = ", ".join(f"{w}×{h}: {n}" for (w, h), n in findings.sizes.most_common(5))
    lines += ["", f"sizes: {len(findings.sizes)} different; most frequent {common}"]
    lines.append(f"byte-identical: {len(findings.twins)} groups" + (" (a split keeps each group on one side)" if findings.twins else ""))
    lines += [f"  {' = '.join(group)}" for group in findings.twins]
    lines += [f"  under two species, remove one: {' = '.join(group)}" for group in findings.contradictions]
    lines.append(f"unreadable: {len(findings.unreadable)}")
    lines += [f"  {findings.folder.root / file}: {reason}" for file, reason in findings.unreadable.items()]
    return "\n".join(lines)
