"""What one calculation gets from its computer, and the rule that chooses it by the size of the calculation."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

DEFAULT_WALLTIME = 86_400
Word = Annotated[str, Field(pattern=r"^[\w.,:@%+/-]+$")]
"""What goes into the head of a job script: no spaces, quotes or line breaks."""


class Allotment(BaseModel):
    """What one calculation gets."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    nodes: PositiveInt | None = Field(None, description="Machines; one where not given.")
    ranks: PositiveInt | None = Field(
        None, description="MPI ranks, on all nodes together; the computer's default where not given."
    )
    threads: PositiveInt | None = Field(None, description="OpenMP threads (and cores) of each rank.")
    gpus: PositiveInt | None = Field(None, description="GPUs of each node.")
    memory: float | None = Field(
        None, gt=0, description="GB that a calculation may take; clusters that need more are refused."
    )
    walltime: Annotated[int, Field(gt=60)] = Field(
        DEFAULT_WALLTIME, description="Seconds until a calculation is stopped."
    )
    queue: Word | None = Field(None, description="Partition or queue of the scheduler.")
    account: Word | None = Field(None, description="Account that the scheduler charges.")

    def describe(self) -> str:
        """Return it in a few words, such as "64 ranks × 2 threads, 24 h"; empty where all is left to the computer."""
        counts = [(self.nodes, "node"), (self.ranks, "rank"), (self.threads, "thread"), (self.gpus, "GPU")]
        words = " × ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name in counts if count is not None)
        parts = [words, f"{self.memory:g} GB" if self.memory is not None else ""]
        if "walltime" in self.model_fields_set:
            minutes, hours = self.walltime / 60, self.walltime / 3600
            parts.append(f"{hours:.3g} h" if hours >= 1 else f"{minutes:.3g} min")
        return ", ".join(part for part in [*parts, self.queue or ""] if part)

    @model_validator(mode="after")
    def _nodes_are_alike(self) -> Self:
        if self.nodes is not None and self.ranks is not None and self.ranks % self.nodes:
            raise ValueError(f"{self.ranks} ranks cannot be shared out evenly among {self.nodes} nodes")
        return self


class Limits(BaseModel):
    """How large a calculation may be for a row of the rule to hold; what is not given has no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    atoms: PositiveInt | None = Field(None, description="In the cell.")
    k_points: PositiveInt | None = Field(None, description="Of the mesh: 64 for 4 x 4 x 4, 1 at the Gamma point.")
    basis_functions: PositiveInt | None = Field(None, description="In the cell: with DZVP 13 of a Pb or S atom.")


class Size(Allotment):
    """One row of the rule: what calculations up to some size get."""

    up_to: Limits = Field(Limits(), description="The largest calculation that this row is for; any, where not given.")


class Resources(Allotment):
    """What every calculation gets, and what depends on its size."""

    sizes: tuple[Size, ...] = Field(
        (),
        description="What depends on the size of a calculation: the first row that it is small enough for holds. What "
        "is given beside the rows is for those that do not say.",
    )

    @model_validator(mode="after")
    def _last_row_is_for_all(self) -> Self:
        for row in self.sizes:
            self.for_row(row)
        if self.sizes and self.sizes[-1].up_to != Limits():
            raise ValueError("the last row of sizes must be for calculations of any size: leave out its up_to")
        return self

    def over(self, defaults: Resources) -> Self:
        """Return these resources, with what they leave open taken from others, row by row."""
        given = self.model_dump(exclude_unset=True)
        rows = [row.model_dump(exclude_unset=True) | given for row in defaults.sizes]
        return type(self).model_validate(defaults.model_dump(exclude_unset=True) | {"sizes": rows} | given)

    def for_row(self, row: Size) -> Allotment:
        """Return what a calculation of some row gets."""
        return Allotment.model_validate(self._beside_rows() | row.model_dump(exclude={"up_to"}, exclude_unset=True))

    def for_all(self) -> Allotment:
        """Return what a calculation gets where there is no rule."""
        return Allotment.model_validate(self._beside_rows())

    def _beside_rows(self) -> dict[str, object]:
        return self.model_dump(include=set(Allotment.model_fields), exclude_unset=True)
