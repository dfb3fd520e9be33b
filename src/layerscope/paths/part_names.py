"""Which half of a layer a module belongs to, by its name alone. Pure values; no torch."""

from __future__ import annotations

import re

_MLP = re.compile(r"^(shared_)?(mlp|ffn|feed_forward)", re.IGNORECASE)
_MIXER = re.compile(r"attn|attention|mamba|mixer|ssm|conv|recurrent|rwkv|retention|temporal_block|lstm", re.IGNORECASE)


def is_mixer(name: str) -> bool:
    """True if a module of a layer mixes tokens, as attention does; anything else counts to the MLP.

    Examples:
        >>> is_mixer("self_attn"), is_mixer("temporal_block"), is_mixer("mlp")
        (True, True, False)
    """
    return bool(_MIXER.search(name)) and not _MLP.search(name)
