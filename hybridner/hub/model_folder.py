"""What is known about a model in a folder: its configuration, its size, how it was trained, how it was measured."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import AutoConfig

from hybridner.ensemble.stacking import STACKER_FILES
from hybridner.errors import ModelError
from hybridner.export import GRAPH_FILE, OnnxHybridNerConfig
from hybridner.files import read_json
from hybridner.hybrid import HybridNerConfig
from hybridner.hybrid.configuration_adapted import is_hub_id
from hybridner.hybrid.modeling_composite import GAZETTEER_FILE
from hybridner.models import MemberConfig
from hybridner.models.loading import read_model_type
from hybridner.models.safety import read_shapes
from hybridner.models.tokenization import TOKENIZER_FILES
from hybridner.spans import LabelSet

CONFIG_FILE = "config.json"
TRAINING_FILE = "training.json"
EVALUATION_FILE = "evaluation.json"
PLOT_FILE = "evaluation.png"
CALIBRATION_FILE = "calibration.json"
CALIBRATION_PLOT_FILE = "calibration.png"
CARD_FILE = "README.md"
#: Files with something learned in them: weights, adapters and what they apply to, a graph with weights, stackers.
_WEIGHTS = "|".join(
    (
        r"model(-\d+-of-\d+)?\.safetensors(\.index\.json)?",
        r"encoder-\d+/adapter_(config\.json|model\.safetensors)",
        re.escape(GRAPH_FILE),
        *map(re.escape, (*STACKER_FILES.values(), GAZETTEER_FILE)),
    )
)
#: Files of the first character vocabulary, and of further ones.
_TOKENIZERS = rf"(vocabulary-\d+/)?({'|'.join(map(re.escape, TOKENIZER_FILES))})"
#: Both: what a model consists of beside its configuration.
MODEL_FILE_PATTERN = re.compile(f"{_WEIGHTS}|{_TOKENIZERS}")

#: Parts of a stored configuration that do not change what the model does.
_INCIDENTAL = {"auto_map", "architectures", "dtype", "transformers_version", "_name_or_path"}
_ABSOLUTE = re.compile(r"(/|~|[A-Za-z]:[\\/])")


@dataclass(frozen=True)
class ModelFolder:
    """A model folder and everything that was written down about it.

    Attributes:
        folder: where it lies.
        config: the composite's or the member's configuration.
        members: each member's configuration by name; a single member stands under its model_type.
        parameters: number of weights of each member; those of encoders that several share stand under "".
        training: the training report of each member that has one.
        evaluation: what `hybridner.hub.measure_model` gave, or None.
        calibration: what `hybridner.calibration.calibrate` reported, or None.
        fingerprint: changes with the weights, the vocabularies and every setting that changes the output.

    Examples:
        >>> folder = read_model_folder(hybridner.bundled.BUNDLED_FOLDER)
        >>> list(folder.members), folder.labels.domain, len(folder.fingerprint)
        (['bert-bilstm-crf', 'roberta-bigru-crf', 'macbert-attn-bilstm-crf', 'spanner'], '卫星导航对抗', 16)
    """

    folder: Path
    config: HybridNerConfig | MemberConfig
    members: dict[str, MemberConfig]
    parameters: dict[str, int]
    training: dict[str, dict[str, Any]]
    evaluation: dict[str, Any] | None
    calibration: dict[str, Any] | None
    fingerprint: str

    @property
    def labels(self) -> LabelSet:
        return self.config.labels

    @property
    def is_composite(self) -> bool:
        return isinstance(self.config, HybridNerConfig)

    @property
    def plot(self) -> Path | None:
        """The picture that was drawn of the evaluation."""
        return self._picture(PLOT_FILE, self.evaluation)

    @property
    def calibration_plot(self) -> Path | None:
        """The picture that was drawn of the calibration."""
        return self._picture(CALIBRATION_PLOT_FILE, self.calibration)

    @property
    def plots(self) -> list[Path]:
        """All pictures."""
        return [path for path in (self.plot, self.calibration_plot) if path is not None]

    def _picture(self, name: str, figures: dict[str, Any] | None) -> Path | None:
        path = self.folder / name
        return path if figures is not None and path.is_file() else None


def read_model_folder(folder: str | Path, *, measured: bool = True) -> ModelFolder:
    """Read everything about a model but its weights' values.

    Args:
        folder: of a member or a composite.
        measured: whether to read the figures beside it.

    Raises:
        ModelError: the folder holds no complete model of hybridner, or figures of other weights than these.

    Examples:
        >>> folder = read_model_folder(hybridner.bundled.BUNDLED_FOLDER)
        >>> folder.is_composite, len(folder.members)
        (True, 4)
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(f"no folder {str(folder)!r}; give the folder of a member or a composite")
    for name in (CONFIG_FILE, *TOKENIZER_FILES):
        if not (folder / name).is_file():
            raise ModelError(f"{folder} has no {name}; was it saved with save_pretrained of hybridner?")
    try:
        read_model_type(folder, {})
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {folder / CONFIG_FILE}: {error}") from error
    if isinstance(config, HybridNerConfig):
        members = config.member_configs()
    elif isinstance(config, MemberConfig):
        members = {config.model_type: config}
    else:
        raise ModelError(f"{folder} holds a model of type {config.model_type!r}, neither a composite nor one of its members")
    for kind in getattr(config, "stackers", None) or {}:
        if not (folder / STACKER_FILES[kind]).is_file():
            raise ModelError(
                f"{folder} has no {STACKER_FILES[kind]}, which its configuration names; fit it again with `hybridner calibrate`"
            )
    if getattr(config, "gazetteer", None) is not None and not (folder / GAZETTEER_FILE).is_file():
        raise ModelError(f"{folder} has no {GAZETTEER_FILE}, which its configuration names; fetch the whole folder again")
    print_ = fingerprint(folder)
    return ModelFolder(
        folder,
        config,
        members,
        _count_parameters(folder, members, config),
        training_reports(folder, members),
        _figures(folder / EVALUATION_FILE, print_, "measure again with `hybridner card`") if measured else None,
        _figures(folder / CALIBRATION_FILE, print_, "run `hybridner calibrate` again"),
        print_,
    )


def weight_files(folder: Path) -> list[Path]:
    """The files with something learned in them: weights, with an index where there are several files, adapters and stackers."""
    return _matching(folder, _WEIGHTS)


def tokenizer_files(folder: Path) -> list[Path]:
    """The files of the character vocabularies."""
    return _matching(folder, _TOKENIZERS)


def _matching(folder: Path, pattern: str) -> list[Path]:
    files = (*folder.glob("*"), *folder.glob("*/*"))
    return sorted(file for file in files if re.fullmatch(pattern, file.relative_to(folder).as_posix()))


def fingerprint(folder: Path) -> str:
    """A hash of the weights, the vocabularies and the settings that change the output."""
    digest = hashlib.sha256()
    config = read_json(folder / CONFIG_FILE)
    kept = {name: value for name, value in config.items() if name not in _INCIDENTAL}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    vocabularies = [file for file in tokenizer_files(folder) if file.name == TOKENIZER_FILES[0]]
    for file in (*vocabularies, *weight_files(folder)):
        with file.open("rb") as handle:
            while block := handle.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()[:16]


def training_reports(folder: Path, members: Mapping[str, MemberConfig]) -> dict[str, dict[str, Any]]:
    """The report of each member: from the model's own folder, or from the members' folders beside a composite's.

    A report beside is used only when it is about a member of that name and type, so that a composite that was moved does not
    pick up somebody else's.
    """
    own = _read_json(folder / TRAINING_FILE) if (folder / TRAINING_FILE).is_file() else {}
    if "member" in own:
        return {next(iter(members)): own}
    found = {name: report for name, report in own.get("members", {}).items() if name in members}
    for name, config in members.items():
        path = folder.parent / name / TRAINING_FILE
        if name in found or not path.is_file():
            continue
        report = _read_json(path)
        section = report.get("recipe", {}).get("members", {}).get(name, {})
        if report.get("member") == name and section.get("type") == config.model_type:
            found[name] = report
    return {name: found[name] for name in members if name in found}


def public_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """A training report for everybody's eyes: of files and folders only the last part of the name stays."""
    shown: dict[str, Any] = _without_folders(dict(report))
    recipe = shown.get("recipe", {})
    data, training = recipe.get("data", {}), recipe.get("training", {})
    for section, names in ((data, ("train", "dev", "labels")), (training, ("output",))):
        for name in names:
            if isinstance(section.get(name), str):
                section[name] = Path(section[name]).name
    for member in recipe.get("members", {}).values():
        if isinstance(member.get("encoder"), str) and not is_hub_id(member["encoder"]):
            member["encoder"] = _local(member["encoder"])
    return shown


def _without_folders(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_folders(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    return _local(value) if isinstance(value, str) and _ABSOLUTE.match(value) else value


def _local(path: str) -> str:
    """A name that still shows that it was a file or folder; a bare one might be taken for a name on the Hub."""
    return f"./{Path(path).name}"


def _figures(path: Path, print_: str, remedy: str) -> dict[str, Any] | None:
    """Figures beside a model, which must be about these weights and settings."""
    if not path.is_file():
        return None
    figures = _read_json(path)
    if figures.get("model") != print_:
        raise ModelError(f"{path} was measured on other weights or settings; {remedy}, or delete it")
    return figures


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = read_json(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path} holds no JSON object")
    return data


def _count_parameters(
    folder: Path, members: Mapping[str, MemberConfig], config: HybridNerConfig | MemberConfig
) -> dict[str, int]:
    """Weights per member, from the headers of the weight files; a damaged file is noticed here."""
    counts = dict.fromkeys(members, 0)
    files = [file for file in weight_files(folder) if file.suffix == ".safetensors"]
    if isinstance(config, OnnxHybridNerConfig):
        if not (folder / GRAPH_FILE).is_file():
            raise ModelError(f"{folder} has no {GRAPH_FILE}; export the model again")
        return counts | (config.parameters or {})
    if not files:
        raise ModelError(f"{folder} has no weights (model.safetensors); was it saved with save_pretrained of hybridner?")
    for file in files:
        try:
            for name, shape in read_shapes([file]).items():
                # An adapter's tensors lie in a folder with the number of their encoder.
                place = f"encoders.{file.parent.name.removeprefix('encoder-')}.{name}" if file.parent != folder else name
                owner = _owner(place, config) if isinstance(config, HybridNerConfig) else next(iter(members))
                counts[owner] = counts.get(owner, 0) + prod(shape)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{file} is damaged: {error}") from error
    return counts


def _owner(tensor: str, config: HybridNerConfig) -> str:
    """The member that a composite's tensor belongs to; "" where it is in an encoder that several members share."""
    part, _, rest = tensor.partition(".")
    which = rest.split(".")[0]
    if part == "members":
        return which
    readers = [member["name"] for member in config.members or [] if str(member["encoder"]) == which]
    return readers[0] if len(readers) == 1 else ""
