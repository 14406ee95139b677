"""What `predict --detect` writes: a row for each plant, COCO for annotation tools, GeoJSON for maps."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from models_store.manifest import RANKS
from service.cli.csv_tables import Result, flat, write_csv

COLUMNS = (
    *("file", "plant", "x", "y", "width", "height", "area", "clump", "score"),
    *("answer", "answer_rank", "answer_probability"),
    *("species", "group", "kind", "probability", "confident", "familiar"),
    *("second_species", "second_probability", "latitude", "longitude", "model", "segmenter", "date", "problem"),
    "truncated",  # whether the photo has more plants than are listed
)
STYLES = ("coco", "geojson")
_UNKNOWN = "unknown"
Named = Mapping[str, Any]  # a species of the model: its name, and its kind and group, which may be None


def write(results: list[Result], style: str, stream: TextIO, species: Sequence[Named] = ()) -> None:
    """Write the plants of photos as a table for people, CSV, JSON, COCO or GeoJSON. `species` is what COCO takes its categories from."""
    if style == "csv":
        write_csv(COLUMNS, [row for result in results for row in rows(result)], stream)
    elif style == "table":
        answered = [result for result in results if "problem" not in result]
        width = max((len(result["file"]) for result in answered), default=0)
        for result in answered:
            stream.write(f"{result['file']:<{width}}  {_sentence(result)}\n")
    else:
        document: Any = _coco(results, species) if style == "coco" else _geojson(results) if style == "geojson" else results
        json.dump(document, stream, ensure_ascii=False, indent=1)
        stream.write("\n")


def without_position(results: list[Result]) -> list[str]:
    """The photos that no map shows."""
    return [result["file"] for result in results if "problem" not in result and result["position"] is None]


def truncated(results: list[Result]) -> list[tuple[str, int]]:
    """The photos on which more plants were found than were asked for, and how many of them are given."""
    return [(result["file"], len(result["plants"])) for result in results if "problem" not in result and result.get("truncated")]


def rows(result: Result) -> list[Result]:
    """A row for each plant; one for a photo without plants, and for one without an answer."""
    if "problem" in result:
        return [result]
    latitude, longitude = result["position"] or (None, None)
    shared = {name: result[name] for name in ("file", "date", "truncated")} | {"latitude": latitude, "longitude": longitude}
    shared |= {"segmenter": f"{result['segmenter']['name']} {result['segmenter']['version']}"}
    found = []
    for number, plant in enumerate(result["plants"], 1):
        x, y, width, height = plant["box"]
        box = {"plant": number, "x": x, "y": y, "width": width, "height": height}
        found.append(flat({"model": result["model"]} | plant) | shared | box)
    return found or [shared]


def _sentence(result: Result) -> str:
    counts, plants = result["counts"], len(result["plants"])
    named = [f"{count} {name}" for rank in ("species", "kind", "group") for name, count in counts[rank].items()]
    unknown = [f"{counts['unknown']} without a sure name"] if counts["unknown"] else []  # "unknown" may be a species
    perhaps = "" if named or not plants else "perhaps "  # it may be no photo of plants
    found = f"{perhaps}{plants}{' or more' if result['truncated'] else ''} {'plant' if plants == 1 else 'plants'}"
    parts = ", ".join([*named, *unknown])
    return f"{found}{f': {parts}' if parts else ''}; {result['cover']['all']:.1%} of the photo is plant"


def _coco(results: list[Result], species: Sequence[Named]) -> dict[str, Any]:
    """COCO's format for detections. A clump is a crowd; what cannot be relied upon is of the category `unknown`.

    The categories are all that the model in service may say, so its number means the same in each file that it makes. (The second
    model's plants are `unknown`.) A name beside them, of a model that came into service meanwhile, gets the next number.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    said_of = [(name, rank) for rank in RANKS for one in species if (name := one.get(rank if rank != "species" else "name"))]
    categories = {name: number for number, name in enumerate(dict.fromkeys([*said_of, (_UNKNOWN, "")]), 1)}
    for result in results:
        if "problem" in result:
            continue
        image = {"id": len(images) + 1, "file_name": result["file"], "width": result["width"], "height": result["height"]}
        images.append(image | ({"truncated": True} if result["truncated"] else {}))  # more plants were found
        for plant in result["plants"]:
            said = plant["answer"]
            name = (said["name"], said["rank"]) if said else (_UNKNOWN, "")
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": categories.setdefault(name, len(categories) + 1),
                    "bbox": _bbox(plant["segmentation"]),  # of the mask, as COCO's tools reckon it; `box` may be some pixels wider
                    "area": sum(plant["segmentation"]["counts"][1::2]),
                    "segmentation": plant["segmentation"],
                    "iscrowd": int(plant["clump"]),
                    "score": round(plant["score"] * (said["probability"] if said else 1), 4),  # that it is there, and is that
                }
            )
    named: list[dict[str, Any]] = []
    for (name, rank), number in categories.items():
        above = rank or "plant"
        taken = any(one["name"] == name for one in named)  # a species may be called as a group is, or unknown; tools go by names
        named.append({"id": number, "name": f"{name} ({above})" if taken else name, "supercategory": above})
    return {"images": images, "annotations": annotations, "categories": named, "problems": _problems(results)}


def _bbox(mask: Mapping[str, list[int]]) -> list[int]:
    """Left, top, width and height of a mask by its run lengths, column by column."""
    height, ends = mask["size"][0], list(itertools.accumulate(mask["counts"]))
    runs = [(*divmod(start, height), *divmod(end - 1, height)) for start, end in zip(ends[::2], ends[1::2], strict=False)]
    left, right = runs[0][0], runs[-1][2]
    if any(first != last for first, _, last, _ in runs):  # a run that goes on at the top of the next column
        top, bottom = 0, height - 1
    else:
        top, bottom = min(run[1] for run in runs), max(run[3] for run in runs)
    return [left, top, right - left + 1, bottom - top + 1]


def _geojson(results: list[Result]) -> dict[str, Any]:
    """RFC 7946: a point for each photo with a position, its counts and cover; the names of those without; why others have no answer."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [result["position"][1], result["position"][0]]},
            "properties": {name: result[name] for name in ("file", "date", "counts", "cover", "truncated")}
            | {"plants": len(result["plants"])},
        }
        for result in results
        if "problem" not in result and result["position"] is not None
    ]
    others = {"without_position": without_position(results), "problems": _problems(results)}
    return {"type": "FeatureCollection", "features": features, **others}


def _problems(results: list[Result]) -> list[dict[str, str]]:
    """The photos without an answer, and why; what reads COCO or GeoJSON passes over a member that it does not know."""
    return [{"file": result["file"], "detail": result["problem"]["detail"]} for result in results if "problem" in result]
