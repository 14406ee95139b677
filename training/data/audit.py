"""What a data folder holds, for a person to read: counts, unreadable files, duplicates, sizes."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from models_store import image_files
from training.data import split
from training.data.images import Folder, read, scan


@dataclass(frozen=True)
class Findings:
    """The result of a check. Files are relative to the data folder."""

    folder: Folder
    unreadable: dict[str, str]  # file → what is wrong
    twins: list[list[str]]  # groups of byte-identical files
    too_few: list[str]  # species
    sizes: Counter[tuple[int, int]]  # (width, height) → files

    @property
    def contradictions(self) -> list[list[str]]:
        """Byte-identical files that stand under different species."""
        return [group for group in self.twins if len({file.split("/")[0] for file in group}) > 1]

    @property
    def problems(self) -> list[str]:
        """All that training refuses."""
        found = [f"{self.folder.root / file}: {reason}; replace the file or remove it" for file, reason in self.unreadable.items()]
        found += [f"the same image under two species, remove one: {' = '.join(group)}" for group in self.contradictions]
        return [*self.folder.problems, *found, *map(split.too_few_images, self.too_few)]


def check(root: Path) -> Findings:
    """Read every image of a data folder. Raises DataError for a folder that holds none."""
    folder = scan(root)
    unreadable: dict[str, str] = {}
    digests: list[str] = []
    by_digest: dict[str, list[str]] = {}
    sizes: Counter[tuple[int, int]] = Counter()
    for number, found in enumerate(read(folder)):
        digests.append(found.digest if found.pixels is not None else f"unreadable {number}")  # each could still be mended to another image
        if found.size is None:
            unreadable[found.file] = found.problem
        else:
            by_digest.setdefault(found.digest, []).append(found.file)
            sizes[found.size] += 1
    twins = [group for group in by_digest.values() if len(group) > 1]
    return Findings(folder, unreadable, twins, split.too_small(folder.labels, digests, folder.species), sizes)


def text(findings: Findings) -> str:
    """The findings as lines for a terminal."""
    counts = findings.folder.counts()
    total = sum(counts.values())
    width, peak = max(map(len, counts), default=0), max(counts.values(), default=0)
    lines = [f"{total} images of {len(counts)} species in {findings.folder.root}", ""]
    lines += [f"{name:<{width}} {n:>6} {n / total:>6.1%}  {'█' * round(40 * n / peak)}" for name, n in counts.items()]
    common = ", ".join(f"{w}×{h}: {n}" for (w, h), n in findings.sizes.most_common(5))
    lines += ["", f"sizes: {len(findings.sizes)} different" + (f"; most frequent {common}" if common else "")]
    lines.append(f"byte-identical: {len(findings.twins)} groups" + (" (a split keeps each group on one side)" if findings.twins else ""))
    lines += [f"  {' = '.join(group)}" for group in findings.twins]
    if others := findings.folder.others:
        suffixes = ", ".join(f"{image_files.printable(suffix)}: {n}" for suffix, n in others.most_common(5))
        lines.append(f"not looked at, as no images by their names: {others.total()} files ({suffixes})")
    lines.append(f"to mend before training: {len(findings.problems)}")
    lines += [f"  {problem}" for problem in findings.problems]
    return "\n".join(lines)
