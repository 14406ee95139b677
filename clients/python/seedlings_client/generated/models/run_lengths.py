from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="RunLengths")


@_attrs_define
class RunLengths:
    """The mask of a plant, COCO's uncompressed run-length encoding.

    Attributes:
        size (list[int]): height and width of the photo
        counts (list[int]): lengths of runs of background and plant by turns, column by column from the left, from top
            to bottom
    """

    size: list[int]
    counts: list[int]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        size = self.size

        counts = self.counts

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "size": size,
                "counts": counts,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        size = cast(list[int], d.pop("size"))

        counts = cast(list[int], d.pop("counts"))

        run_lengths = cls(
            size=size,
            counts=counts,
        )

        run_lengths.additional_properties = d
        return run_lengths

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
