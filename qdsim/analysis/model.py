"""What every result document has in common."""

from pydantic import BaseModel, ConfigDict


class ResultModel(BaseModel):
    """A result that is stored: immutable, finite numbers only, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
