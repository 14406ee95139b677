from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="ServedModel")


@_attrs_define
class ServedModel:
    """The model in service.

    Attributes:
        name (str): name of the model
        version (str): its version
        network (str): name of the network
        species (int): number of species
        created (str): when the version was published, ISO 8601
        runtime (str): what runs it: `torchscript`, `exported`, `onnxruntime`, `openvino` or `int8`
    """

    name: str
    version: str
    network: str
    species: int
    created: str
    runtime: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        version = self.version

        network = self.network

        species = self.species

        created = self.created

        runtime = self.runtime

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "version": version,
                "network": network,
                "species": species,
                "created": created,
                "runtime": runtime,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("name")

        version = d.pop("version")

        network = d.pop("network")

        species = d.pop("species")

        created = d.pop("created")

        runtime = d.pop("runtime")

        served_model = cls(
            name=name,
            version=version,
            network=network,
            species=species,
            created=created,
            runtime=runtime,
        )

        served_model.additional_properties = d
        return served_model

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
