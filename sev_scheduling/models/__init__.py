"""The memory encryption models: what each demands, and which there are."""

from sev_scheduling.models.model import (
    BUILTIN_MODELS,
    DEFAULT_MODEL,
    EncryptionModel,
    SecureBoot,
    parameter_name,
)
from sev_scheduling.models.registry import (
    excluding_models,
    find_model,
    model_traits,
    nearest_model,
    registered_models,
    weaker_model,
)

__all__ = [
    'BUILTIN_MODELS',
    'DEFAULT_MODEL',
    'EncryptionModel',
    'SecureBoot',
    'excluding_models',
    'find_model',
    'model_traits',
    'nearest_model',
    'parameter_name',
    'registered_models',
    'weaker_model',
]
