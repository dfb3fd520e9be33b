"""Where a model keeps its decoder layers."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from layerscope.errors import ModelError


def find_layers(model: PreTrainedModel) -> nn.ModuleList:
    """The decoder's own list of layers: the outermost ``ModuleList`` as long as the configuration says.

    Where the configuration counts otherwise (xLSTM counts blocks), the outermost list that holds most of the weights. Whether
    the choice is right is proved by ``checks.py``: each layer must be called once, and replaying them must give the model's
    own logits.

    Raises:
        ModelError: the model keeps no list of layers.
    """
    n_layers = getattr(model.config.get_text_config(decoder=True), "num_hidden_layers", None)
    lists = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList) and len(module)]
    if not lists:
        raise ModelError(f"A decoder keeps its layers in a list; '{model.config.model_type}' has none, so it cannot be swept.")
    fitting = [(name, module) for name, module in lists if len(module) == n_layers] or lists
    shallowest = min(name.count(".") for name, _ in fitting)
    candidates = [module for name, module in fitting if name.count(".") == shallowest]
    return max(candidates, key=lambda module: sum(parameter.numel() for parameter in module.parameters()))
