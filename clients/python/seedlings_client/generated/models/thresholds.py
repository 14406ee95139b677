from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Thresholds")


@_attrs_define
class Thresholds:
    """From which probability on a statement of each rank can be relied upon; null: none of this rank can be.

    Attributes:
        species (float | None): of a species
        kind (float | None): of a kind, that of its species together
        group (float | None): of a group, crop or weed, that of its species together
    """

    species: float | None
    kind: float | None
    group: float | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        species: float | None
        species = self.species

        kind: float | None
        kind = self.kind

        group: float | None
        group = self.group

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "species": species,
                "kind": kind,
                "group": group,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_species(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        species = _parse_species(d.pop("species"))

        def _parse_kind(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        kind = _parse_kind(d.pop("kind"))

        def _parse_group(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        group = _parse_group(d.pop("group"))

        thresholds = cls(
            species=species,
            kind=kind,
            group=group,
        )

        thresholds.additional_properties = d
        return thresholds

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
