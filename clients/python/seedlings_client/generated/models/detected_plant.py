from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.detected_plant_probabilities import DetectedPlantProbabilities
    from ..models.model_name import ModelName
    from ..models.run_lengths import RunLengths
    from ..models.statement import Statement


T = TypeVar("T", bound="DetectedPlant")


@_attrs_define
class DetectedPlant:
    """One plant, or a clump of plants that cannot be told apart.

    Attributes:
        box (list[int]): x, y, width and height, in pixels of the photo turned upright
        clump (bool): true: perhaps several plants that touch. Nothing is relied upon of it: `answer` is null
        score (float): how sure the segmenter is that it is a plant, 0 to 1; no probability
        area (float): its share of the photo's area, 0 to 1
        species (str): the most probable species
        probability (float): the probability of that species, 0 to 1
        group (None | str): crop or weed; null if the model does not know
        kind (None | str): the kind of that species, such as grass weed; null if the model does not know
        confident (bool): true: the species can be relied upon
        answer (None | Statement): the narrowest statement that can be relied upon; null: none can be, as of a clump,
            and of what a model says whose thresholds hold for central squares alone
        probabilities (DetectedPlantProbabilities): the probability of each species; with `?top_k=` of the k best, best
            first
        familiar (bool | None | Unset): false: unlike what the model was trained on. Absent if the model cannot tell
        segmentation (None | RunLengths | Unset): its mask. Absent unless `?masks=rle` asks for it
        model (ModelName | None | Unset): the second model, where it named the plant because the first one cannot. Else
            absent
    """

    box: list[int]
    clump: bool
    score: float
    area: float
    species: str
    probability: float
    group: None | str
    kind: None | str
    confident: bool
    answer: None | Statement
    probabilities: DetectedPlantProbabilities
    familiar: bool | None | Unset = UNSET
    segmentation: None | RunLengths | Unset = UNSET
    model: ModelName | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.model_name import ModelName  # noqa: PLC0415
        from ..models.run_lengths import RunLengths  # noqa: PLC0415
        from ..models.statement import Statement  # noqa: PLC0415

        box = self.box

        clump = self.clump

        score = self.score

        area = self.area

        species = self.species

        probability = self.probability

        group: None | str
        group = self.group

        kind: None | str
        kind = self.kind

        confident = self.confident

        answer: dict[str, Any] | None
        if isinstance(self.answer, Statement):
            answer = self.answer.to_dict()
        else:
            answer = self.answer

        probabilities = self.probabilities.to_dict()

        familiar: bool | None | Unset
        if isinstance(self.familiar, Unset):
            familiar = UNSET
        else:
            familiar = self.familiar

        segmentation: dict[str, Any] | None | Unset
        if isinstance(self.segmentation, Unset):
            segmentation = UNSET
        elif isinstance(self.segmentation, RunLengths):
            segmentation = self.segmentation.to_dict()
        else:
            segmentation = self.segmentation

        model: dict[str, Any] | None | Unset
        if isinstance(self.model, Unset):
            model = UNSET
        elif isinstance(self.model, ModelName):
            model = self.model.to_dict()
        else:
            model = self.model

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "box": box,
                "clump": clump,
                "score": score,
                "area": area,
                "species": species,
                "probability": probability,
                "group": group,
                "kind": kind,
                "confident": confident,
                "answer": answer,
                "probabilities": probabilities,
            }
        )
        if familiar is not UNSET:
            field_dict["familiar"] = familiar
        if segmentation is not UNSET:
            field_dict["segmentation"] = segmentation
        if model is not UNSET:
            field_dict["model"] = model

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.detected_plant_probabilities import DetectedPlantProbabilities  # noqa: PLC0415
        from ..models.model_name import ModelName  # noqa: PLC0415
        from ..models.run_lengths import RunLengths  # noqa: PLC0415
        from ..models.statement import Statement  # noqa: PLC0415

        d = dict(src_dict)
        box = cast(list[int], d.pop("box"))

        clump = d.pop("clump")

        score = d.pop("score")

        area = d.pop("area")

        species = d.pop("species")

        probability = d.pop("probability")

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

        confident = d.pop("confident")

        def _parse_answer(data: object) -> None | Statement:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                answer_type_0 = Statement.from_dict(data)

                return answer_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Statement, data)

        answer = _parse_answer(d.pop("answer"))

        probabilities = DetectedPlantProbabilities.from_dict(d.pop("probabilities"))

        def _parse_familiar(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        familiar = _parse_familiar(d.pop("familiar", UNSET))

        def _parse_segmentation(data: object) -> None | RunLengths | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                segmentation_type_0 = RunLengths.from_dict(data)

                return segmentation_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | RunLengths | Unset, data)

        segmentation = _parse_segmentation(d.pop("segmentation", UNSET))

        def _parse_model(data: object) -> ModelName | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                model_type_0 = ModelName.from_dict(data)

                return model_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ModelName | None | Unset, data)

        model = _parse_model(d.pop("model", UNSET))

        detected_plant = cls(
            box=box,
            clump=clump,
            score=score,
            area=area,
            species=species,
            probability=probability,
            group=group,
            kind=kind,
            confident=confident,
            answer=answer,
            probabilities=probabilities,
            familiar=familiar,
            segmentation=segmentation,
            model=model,
        )

        detected_plant.additional_properties = d
        return detected_plant

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
