from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.model_name import ModelName
    from ..models.species_entry import SpeciesEntry
    from ..models.thresholds import Thresholds


T = TypeVar("T", bound="SpeciesList")


@_attrs_define
class SpeciesList:
    """The species that the model tells apart.

    Attributes:
        model (ModelName): Which model answered.
        threshold (float | None): an answer with a lower probability is not confident; null: no answer is confident
        threshold_reason (None | str): why there is no threshold; null if there is one
        thresholds (Thresholds): From which probability on a statement of each rank can be relied upon; null: none of
            this rank can be.
        promise (float | None): at least this share of what `answer` says is right; null if the model states none
        training_images (int | None): how many images the model learned from; null if it does not say
        explainable (bool): whether `POST /explain` works with this model
        segmenter (ModelName | None): the model that finds the plants on whole photos; null: `POST /detect` is not
            answered now
        species (list[SpeciesEntry]): the species, in the order of all probabilities
        second_model (ModelName | None | Unset): the model that answers photos beyond this one, by thresholds of its
            own; null: none does
    """

    model: ModelName
    threshold: float | None
    threshold_reason: None | str
    thresholds: Thresholds
    promise: float | None
    training_images: int | None
    explainable: bool
    segmenter: ModelName | None
    species: list[SpeciesEntry]
    second_model: ModelName | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.model_name import ModelName  # noqa: PLC0415

        model = self.model.to_dict()

        threshold: float | None
        threshold = self.threshold

        threshold_reason: None | str
        threshold_reason = self.threshold_reason

        thresholds = self.thresholds.to_dict()

        promise: float | None
        promise = self.promise

        training_images: int | None
        training_images = self.training_images

        explainable = self.explainable

        segmenter: dict[str, Any] | None
        if isinstance(self.segmenter, ModelName):
            segmenter = self.segmenter.to_dict()
        else:
            segmenter = self.segmenter

        species = []
        for species_item_data in self.species:
            species_item = species_item_data.to_dict()
            species.append(species_item)

        second_model: dict[str, Any] | None | Unset
        if isinstance(self.second_model, Unset):
            second_model = UNSET
        elif isinstance(self.second_model, ModelName):
            second_model = self.second_model.to_dict()
        else:
            second_model = self.second_model

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "model": model,
                "threshold": threshold,
                "threshold_reason": threshold_reason,
                "thresholds": thresholds,
                "promise": promise,
                "training_images": training_images,
                "explainable": explainable,
                "segmenter": segmenter,
                "species": species,
            }
        )
        if second_model is not UNSET:
            field_dict["second_model"] = second_model

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.model_name import ModelName  # noqa: PLC0415
        from ..models.species_entry import SpeciesEntry  # noqa: PLC0415
        from ..models.thresholds import Thresholds  # noqa: PLC0415

        d = dict(src_dict)
        model = ModelName.from_dict(d.pop("model"))

        def _parse_threshold(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        threshold = _parse_threshold(d.pop("threshold"))

        def _parse_threshold_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        threshold_reason = _parse_threshold_reason(d.pop("threshold_reason"))

        thresholds = Thresholds.from_dict(d.pop("thresholds"))

        def _parse_promise(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        promise = _parse_promise(d.pop("promise"))

        def _parse_training_images(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        training_images = _parse_training_images(d.pop("training_images"))

        explainable = d.pop("explainable")

        def _parse_segmenter(data: object) -> ModelName | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                segmenter_type_0 = ModelName.from_dict(data)

                return segmenter_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ModelName | None, data)

        segmenter = _parse_segmenter(d.pop("segmenter"))

        species = []
        _species = d.pop("species")
        for species_item_data in _species:
            species_item = SpeciesEntry.from_dict(species_item_data)

            species.append(species_item)

        def _parse_second_model(data: object) -> ModelName | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                second_model_type_0 = ModelName.from_dict(data)

                return second_model_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ModelName | None | Unset, data)

        second_model = _parse_second_model(d.pop("second_model", UNSET))

        species_list = cls(
            model=model,
            threshold=threshold,
            threshold_reason=threshold_reason,
            thresholds=thresholds,
            promise=promise,
            training_images=training_images,
            explainable=explainable,
            segmenter=segmenter,
            species=species,
            second_model=second_model,
        )

        species_list.additional_properties = d
        return species_list

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
