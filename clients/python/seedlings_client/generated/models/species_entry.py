from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="SpeciesEntry")


@_attrs_define
class SpeciesEntry:
    """One species. All but the name is null for a species that is not in the project's table.

    Attributes:
        name (str): the name that answers use
        scientific_name (None | str): the scientific name
        eppo_code (None | str): the code of the European and Mediterranean Plant Protection Organization
        group (None | str): crop or weed
        kind (None | str): grass weed, broadleaf weed, grass crop or broadleaf crop; null if the model does not say
        recall (float | None): share of this species' test images that the model named rightly; null where not measured
        test_images (int): how many those were
    """

    name: str
    scientific_name: None | str
    eppo_code: None | str
    group: None | str
    kind: None | str
    recall: float | None
    test_images: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        scientific_name: None | str
        scientific_name = self.scientific_name

        eppo_code: None | str
        eppo_code = self.eppo_code

        group: None | str
        group = self.group

        kind: None | str
        kind = self.kind

        recall: float | None
        recall = self.recall

        test_images = self.test_images

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "scientific_name": scientific_name,
                "eppo_code": eppo_code,
                "group": group,
                "kind": kind,
                "recall": recall,
                "test_images": test_images,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("name")

        def _parse_scientific_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        scientific_name = _parse_scientific_name(d.pop("scientific_name"))

        def _parse_eppo_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        eppo_code = _parse_eppo_code(d.pop("eppo_code"))

        def _parse_group(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        group = _parse_group(d.pop("group"))

        def _parse_kind(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        kind = _parse_kind(d.pop("kind"))

        def _parse_recall(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        recall = _parse_recall(d.pop("recall"))

        test_images = d.pop("test_images")

        species_entry = cls(
            name=name,
            scientific_name=scientific_name,
            eppo_code=eppo_code,
            group=group,
            kind=kind,
            recall=recall,
            test_images=test_images,
        )

        species_entry.additional_properties = d
        return species_entry

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
