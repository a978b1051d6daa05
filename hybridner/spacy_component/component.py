"""The component: texts of documents through the pipeline, in batches; saved and loaded with a spaCy pipeline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc
from spacy.util import minibatch

from hybridner.bundled import BUNDLED
from hybridner.errors import ModelError
from hybridner.hybrid.configuration_hybrid import check_choice
from hybridner.hybrid.loading import load_composite
from hybridner.pipeline import HybridNerPipeline
from hybridner.redaction import find_secrets
from hybridner.spacy_component.annotation import ALIGNMENT_MODES, AlignmentMode, annotate, register_extensions

#: Folder of the model inside the component's own.
_MODEL = "model"


class HybridNerComponent(Pipe):
    """Named entities by a composite, or a single member, as a component of a spaCy pipeline.

    Each document gets `doc.ents` (no overlap) and `doc.spans["hybrid_ner"]` (all entities, nested ones too where the decoding
    is nested). Their spans have `span._.score`, `span._.uncertainty`, and as `span._.provenance` a dict of all else that the
    pipeline says: source, votes, needs_review, what an LLM said, and the word with its own start and end. Offsets of entities are
    characters; where one begins or ends inside a token, `alignment_mode` says what happens, and
    `doc._.hybrid_ner_alignment` counts: {"exact": ..., "moved": ..., "dropped": ...}.

    The model is loaded when the first document comes, or with the pipeline from a folder.

    Args:
        name: of the component in its pipeline.
        model: folder or Hub id, or "bundled".
        batch_size: windows per forward pass.
        device: where the model runs, such as "cuda:0"; by default an accelerator where there is one.
        spans_key: where `doc.spans` gets the entities.
        alignment_mode: "expand" (to whole tokens), "contract" (to tokens that are whole inside) or "strict" (drop).
        overwrite_ents: whether a new entity replaces those that the document had in its place; else these stay.
        parameters: of `HybridNerPipeline`, such as threshold, decoding, strategy, llm and llm_settings. Keys of an LLM are read
            from OPENAI_API_KEY: what stands here is stored with the pipeline.

    Raises:
        ModelError: an unknown alignment_mode or a secret among the parameters; when the model is loaded, as
            `HybridNerPipeline` does.

    Examples:
        >>> import spacy
        >>> nlp = spacy.blank("zh")
        >>> component = nlp.add_pipe("hybrid_ner", config={"model": "bundled", "parameters": {"decoding": "nested"}})
        >>> doc = nlp("俄罗斯部署了干扰机。")
        >>> [(entity.text, entity.label_) for entity in doc.ents]
        [('俄罗斯', 'Adversary States'), ('干扰机', 'Offensive Systems')]
    """

    def __init__(
        self,
        name: str = "hybrid_ner",
        *,
        model: str = BUNDLED,
        batch_size: int = 16,
        device: str | None = None,
        spans_key: str = "hybrid_ner",
        alignment_mode: AlignmentMode = "expand",
        overwrite_ents: bool = False,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        check_choice("alignment_mode", alignment_mode, ALIGNMENT_MODES)
        if any(True for _ in find_secrets(parameters or {})):
            raise ModelError(
                "parameters of hybrid_ner hold a secret, and are stored with the pipeline in plain text; put an LLM's key into "
                "the environment variable OPENAI_API_KEY"
            )
        register_extensions()
        self.name = name
        self._model, self._batch_size, self._device = model, batch_size, device
        self._spans_key, self._alignment_mode, self._overwrite_ents = spans_key, alignment_mode, overwrite_ents
        self._parameters = dict(parameters or {})
        self._loaded: HybridNerPipeline | None = None

    @property
    def pipeline(self) -> HybridNerPipeline:
        """The pipeline behind the component; loaded when it is first asked for."""
        if self._loaded is None:
            self._load(self._model)
        assert self._loaded is not None
        return self._loaded

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's entity types; none before it is loaded, as spaCy asks for them before it says where the model lies."""
        if self._loaded is None:
            return ()
        return tuple(label.name for label in self.pipeline.model.config.labels.labels)

    def __call__(self, doc: Doc) -> Doc:
        """Find the entities of one document."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Find the entities of many documents, some at a time; what goes wrong is the error handler's."""
        for docs in minibatch(stream, size=batch_size):
            docs = list(docs)
            try:
                yield from self._annotated(docs)
            except Exception as error:
                self.get_error_handler()(self.name, self, docs, error)

    def to_disk(self, path: str | Path, *, exclude: Collection[str] = ()) -> None:
        """Store the model with the pipeline; excluding "model" leaves it where it was loaded from."""
        if _MODEL not in exclude:
            folder = Path(path) / _MODEL
            folder.mkdir(parents=True, exist_ok=True)
            self.pipeline.model.save_pretrained(folder)

    def from_disk(self, path: str | Path, *, exclude: Collection[str] = ()) -> HybridNerComponent:
        """Load what `to_disk` stored.

        Raises:
            ModelError: the model's folder is damaged.
        """
        folder = Path(path) / _MODEL
        if _MODEL not in exclude and folder.is_dir():
            self._load(str(folder))
        return self

    def __getstate__(self) -> dict[str, Any]:
        # Other processes load the model themselves; a graph of onnxruntime could not be sent to them.
        return {**self.__dict__, "_loaded": None}

    def _load(self, source: str) -> None:
        self._loaded = HybridNerPipeline(
            load_composite(source), batch_size=self._batch_size, device=self._device, **self._parameters
        )
        self._model = source

    def _annotated(self, docs: Sequence[Doc]) -> list[Doc]:
        rows = self.pipeline([doc.text for doc in docs])
        return [
            annotate(
                doc,
                entities,
                spans_key=self._spans_key,
                alignment_mode=self._alignment_mode,
                overwrite_ents=self._overwrite_ents,
            )
            for doc, entities in zip(docs, rows, strict=True)
        ]


@Language.factory(
    "hybrid_ner",
    assigns=["doc.ents", "doc.spans", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": BUNDLED,
        "batch_size": 16,
        "device": None,
        "spans_key": "hybrid_ner",
        "alignment_mode": "expand",
        "overwrite_ents": False,
        "parameters": {},
    },
)
def make_hybrid_ner(
    nlp: Language,
    name: str,
    model: str,
    batch_size: int,
    device: str | None,
    spans_key: str,
    alignment_mode: str,
    overwrite_ents: bool,
    parameters: dict[str, Any],
) -> HybridNerComponent:
    """The component with the settings of a pipeline's configuration.

    Args:
        nlp: the pipeline.
        name, model, batch_size, device, spans_key, alignment_mode, overwrite_ents, parameters: see `HybridNerComponent`.

    Examples:
        >>> import spacy
        >>> component = spacy.blank("zh").add_pipe("hybrid_ner", config={"model": "bundled", "parameters": {"threshold": 0.3}})
        >>> type(component).__name__
        'HybridNerComponent'
    """
    mode: Any = alignment_mode
    return HybridNerComponent(
        name,
        model=model,
        batch_size=batch_size,
        device=device,
        spans_key=spans_key,
        alignment_mode=mode,
        overwrite_ents=overwrite_ents,
        parameters=parameters,
    )
