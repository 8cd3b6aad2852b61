"""What an experiment is: who takes part, which variants there are, what each of them changes, what is compared."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Body, Name, Tags, Time
from schemas.chat import JsonObject
from schemas.http import HttpBody

Unit = Literal["request", "conversation", "user"]
AssignedBy = Literal["worker", "client"]
Metric = Literal["cost", "latency", "errors", "feedback"]
ExperimentState = Literal["draft", "running", "stopped"]

MAX_VARIANTS = 10
MAX_PROMPT_LENGTH = 200_000


class Overrides(HttpBody):
    """What a variant changes of a request; what is not set stays as it was asked.

    `parameters` are put over the request's own, name by name. `system_prompt` takes the place of the system messages at
    the start of the prompt, the history's included, and is named by `prompt_version`.
    """

    model: Name | None = None
    provider: Name | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    parameters: JsonObject | None = None
    prompt_version: Name | None = None
    system_prompt: Annotated[str, StringConstraints(min_length=1, max_length=MAX_PROMPT_LENGTH)] | None = None


class Variant(HttpBody):
    """One of the ways that are compared. Its share is its weight among all weights; 0: nobody gets it any more."""

    name: Name
    weight: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    overrides: Overrides = Overrides()


class Eligibility(HttpBody):
    """Which requests take part: of one of the models (empty: any), with all of the tags."""

    models: Annotated[list[Name], Field(max_length=64)] = Field(default_factory=list)
    tags: Tags = Field(default_factory=dict)


class ExperimentDefinition(HttpBody):
    """An experiment of one tenant.

    `unit` is what gets a variant and keeps it. `traffic`: the share of the eligible units that take part.
    `assigned_by` client: workers leave the requests alone, and clients say by tags which variant they have applied.
    `control`: what the other variants are compared with, by default the first. `level`: the most that the chance of any
    wrong verdict about the experiment may be, over all looks, metrics and variants.
    `settle_s`: how long after its first call a unit counts, whatever became of it; by default 2 minutes for requests,
    30 for conversations, a day for users. `min_units`: how many units of both variants a verdict on them needs.
    """

    unit: Unit = "conversation"
    assigned_by: AssignedBy = "worker"
    salt: Annotated[str, StringConstraints(max_length=256)] = ""
    traffic: Annotated[float, Field(gt=0, le=1)] = 1.0
    eligibility: Eligibility = Eligibility()
    variants: Annotated[list[Variant], Field(min_length=2, max_length=MAX_VARIANTS)]
    control: Name | None = None
    metrics: Annotated[list[Metric], Field(min_length=1, max_length=4)] = Field(
        default=["cost", "latency", "errors", "feedback"]
    )
    level: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    settle_s: Annotated[float, Field(ge=0, le=7 * 86_400)] | None = None
    min_units: Annotated[int, Field(ge=10, le=1_000_000)] = 50

    @property
    def control_name(self) -> str:
        """The variant that the others are compared with."""
        return self.control or self.variants[0].name

    def variant(self, name: str) -> Variant | None:
        """The variant of that name."""
        return next((variant for variant in self.variants if variant.name == name), None)


class Experiment(Body):
    """An experiment as it stands. Its results are those of its current version: what is compared never changes."""

    tenant_id: str
    experiment_id: str
    state: ExperimentState
    version: int
    definition: ExperimentDefinition
    created_at: Time
    changed_at: Time
    started_at: Time | None = None
    stopped_at: Time | None = None
