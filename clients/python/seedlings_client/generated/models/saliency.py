from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.model_name import ModelName


T = TypeVar("T", bound="Saliency")


@_attrs_define
class Saliency:
    """What raised the probability of a species, as numbers.

    Attributes:
        species (str): the species explained
        probability (float): its probability, 0 to 1
        crop (list[float]): what the map covers: x, y, width and height in pixels of the whole photo turned upright
        shape (list[int]): rows and columns of the map
        heat_map (list[list[float]]): a list of rows, from the top; each from the left. 0: the place played no part, or
            spoke against the species. 1: it spoke most for it. By HiResCAM (Draelos & Carin 2020), at the resolution of the
            network's last convolution
        model (ModelName): Which model answered.
    """

    species: str
    probability: float
    crop: list[float]
    shape: list[int]
    heat_map: list[list[float]]
    model: ModelName
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        species = self.species

        probability = self.probability

        crop = self.crop

        shape = self.shape

        heat_map = []
        for heat_map_item_data in self.heat_map:
            heat_map_item = heat_map_item_data

            heat_map.append(heat_map_item)

        model = self.model.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "species": species,
                "probability": probability,
                "crop": crop,
                "shape": shape,
                "heat_map": heat_map,
                "model": model,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.model_name import ModelName  # noqa: PLC0415

        d = dict(src_dict)
        species = d.pop("species")

        probability = d.pop("probability")

        crop = cast(list[float], d.pop("crop"))

        shape = cast(list[int], d.pop("shape"))

        heat_map = []
        _heat_map = d.pop("heat_map")
        for heat_map_item_data in _heat_map:
            heat_map_item = cast(list[float], heat_map_item_data)

            heat_map.append(heat_map_item)

        model = ModelName.from_dict(d.pop("model"))

        saliency = cls(
            species=species,
            probability=probability,
            crop=crop,
            shape=shape,
            heat_map=heat_map,
            model=model,
        )

        saliency.additional_properties = d
        return saliency

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
