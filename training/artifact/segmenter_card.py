"""The card of a segmenter: what its manifest says, for people."""

from models_store.manifest import ClumpFigures, PlantFigures, SegmenterManifest

_HEAD = (
    "| photos | n | IoU of plants | excess green, fixed | excess green, Otsu | plants | precision | recall | F1 | count wrong by"
    " | learnt from |\n" + "|---" * 11 + "|\n"
)

_DATA_SET = "b4a05ffa3d8f0bae"  # the start of the digest of its split by the report's rule
_DATA = """\
Plant Seedlings data set, version 1: Giselsson, Dyrmann, Jørgensen, Jensen, Midtiby (2017), *A Public Image Database for Benchmark
of Plant Seedling Classification Algorithms*, arXiv:1711.05458. © 2014 Mads Dyrmann, Peter Christiansen, University of Southern
Denmark, and Aarhus University; Creative Commons BY-SA 4.0."""
_OWN_DATA = "Add the source and licence of these images here before passing the model on."


def text(manifest: SegmenterManifest) -> str:
    """The card of a manifest, as Markdown."""
    training, thresholds, wanted = manifest.training, manifest.thresholds, manifest.input
    start = f", from the weights {training.start}" if training.start else ""
    masks = ", ".join(training.masks) or "none"
    gap = max((found.leaf_gap for found in manifest.figures if found.f1 is not None), default=0)
    leaves = f"Parts of a mask that are nearer than {gap} pixels are leaves of one plant.\n" if gap else ""
    whose, source = "the publisher's own", _OWN_DATA
    if training.split_digest.startswith(_DATA_SET):
        whose, source = "the Plant Seedlings data set", _DATA
    takes = "Method `clump_probability`: uint8 [P,4,64,64], crops of parts, to float32 [P]"
    classifier = "" if thresholds.clump is None else f"{takes}; a clump from {thresholds.clump:g} on.\n"
    of_parts = f", where the `score` of its part is at least {thresholds.score:g}" if thresholds.score else ""
    least = max((found.least_side for found in manifest.figures), default=0)
    return f"""\
# {manifest.name} {manifest.version}

Finds the plants on a whole photo: plant or background for each pixel, and where plants have their centres. Network
*{training.network}* ({training.parameters:,} parameters), {training.steps} steps, seed {training.seed}{start}.
Published {manifest.created:%Y-%m-%d}, torch {training.torch_version}.

## Figures

{_HEAD}{"".join(_row(found) for found in manifest.figures)}
IoU: intersection over union of the pixels of plants, over all photos. Beside it stands that of an excess green index over a fixed
threshold, and over Otsu's threshold of each photo. A plant over {least} pixels counts as found where the IoU of its box is at least 0.5.
{leaves}"learnt from" says what the weights have learnt from that folder: figures on other fields may be worse.

{_clumps(manifest.clumps)}## Data

{training.images:,} images of {whose}, whose plants were set on other backgrounds; split digest
`{training.split_digest[:16]}`. Photos with masks: {masks}.

{source}
{_sources(training.masks)}
## For what, and for what not

For finding and counting young plants on photos from above. Plants that touch are divided where two centres are seen; else they are
one clump. Leaves that stand apart may be counted as plants, and green things that are no plants may be found.

## Input and output

`model.pt` (TorchScript, {manifest.size_bytes / 1e6:.1f} MB, SHA-256 `{manifest.sha256}`):
uint8 [N,3,H,W], a whole photo whose longer side is about {wanted.side} pixels, H and W multiples of {wanted.multiple},
to float32 [N,H,W], [N,H/4,W/4] and [N,H/16,W/16]: how probable a plant is, and a plant's centre from near and from afar.
A pixel is plant from {thresholds.plant:g} on{of_parts}. A centre is one from {thresholds.centre:g} on, and may be one from
{thresholds.doubt:g} on.
{classifier}"""


_SOURCES = {
    "sugar-beet-bonn": "Chebrolu, Lottes, Schaefer, Winterhalter, Burgard, Stachniss (2017), *Agricultural robot dataset for plant"
    " classification, localization and mapping on sugar beet fields*, IJRR 36(10). CC BY-SA 4.0.",
    "wheat-eschikon": "Zenkl, Timofte, Kirchgessner, Roth, Hund, Van Gool, Walter, Aasen (2022), *Outdoor Plant Segmentation With Deep"
    " Learning for High-Throughput Field Phenotyping on a Diverse Wheat Dataset*, Frontiers in Plant Science 12. CC BY-SA 4.0.",
}


def _sources(masks: list[str]) -> str:
    names = dict.fromkeys(entry.split(":")[0] for entry in masks)
    return "".join(f"\n{name}: {_SOURCES.get(name, 'photos of the publisher; add their source and licence here.')}\n" for name in names)


def shares(found: PlantFigures) -> list[str]:
    """Precision, recall and F1, for people: – where plants were not counted, or none was drawn and none found."""
    if found.f1 is None or (found.plants == 0 and found.count_error == 0):
        return ["–"] * 3
    return [f"{value:.3f}" for value in (found.precision, found.recall, found.f1)]


def _row(found: PlantFigures) -> str:
    cells = [found.folder, f"{found.photos}", f"{found.iou:.3f}", f"{found.green_fixed_iou:.3f}", f"{found.green_otsu_iou:.3f}"]
    if found.f1 is None:
        cells += ["–"] * 5
    else:
        cells += [f"{found.plants}", *shares(found), f"{found.count_error:.2f}"]
    return f"| {' | '.join([*cells, found.learnt_from])} |\n"


def _clumps(found: ClumpFigures | None) -> str:
    if found is None:
        return ""
    learnt = f"{found.parameters:,} parameters, {found.pictures:,} composed pictures, {found.epochs} epochs, seed {found.seed}"
    return f"""\
A classifier ({learnt}) tells clumps from single plants.
On composed pictures of plants that it has not learnt from, {found.passed} of {found.several} parts that hold several plants pass as one,
and {found.called} of {found.single} single plants are called a clump. Its threshold was chosen on
such pictures, and on parts of the first half of the wheat from Eschikon.

"""
