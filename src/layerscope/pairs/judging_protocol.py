"""How a sentence is put to a judge. Accuracies on minimal pairs depend on it as much as on many models, so it has a name.

============  ==================================================  ===========================================
protocol      before each sentence                                a tie
============  ==================================================  ===========================================
``plain``     the model's own BOS, if it was trained with one     is no agreement
``lm-eval``   the tokenizer's BOS, else its EOS; then a space     counts as right
============  ==================================================  ===========================================
"""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.errors import PairError


@dataclass(frozen=True)
class JudgingProtocol:
    """A named way to put sentences to a model and to read its answer."""

    name: str
    """As it is asked for and recorded."""
    before: str
    """Characters put before each sentence."""
    always_starts: bool
    """Whether a start token stands before every sentence, the tokenizer's BOS or else its EOS, whatever the model was trained
    with; if not, the model's own BOS policy holds."""
    is_tie_right: bool
    """Whether the right sentence counts as preferred where both are exactly as likely."""

    @classmethod
    def parse(cls, name: str) -> JudgingProtocol:
        """The protocol of a name.

        Raises:
            PairError: there is none.
        """
        if name not in PROTOCOLS:
            raise PairError(f"A protocol of judging is {' or '.join(PROTOCOLS)}; got '{name}'.")
        return PROTOCOLS[name]


PLAIN = JudgingProtocol("plain", before="", always_starts=False, is_tie_right=False)
"""Each sentence as it stands."""
LM_EVAL = JudgingProtocol("lm-eval", before=" ", always_starts=True, is_tie_right=True)
"""What lm-evaluation-harness does with its BLiMP tasks.

The harness's target delimiter, a space, joins each choice to an empty context, which becomes the prefix token; ``acc`` is
``argmax`` over the choices, of which the right one is the first.

Source: EleutherAI lm-evaluation-harness 0.4.13, ``TemplateLM.loglikelihood``, ``HFLM.prefix_token_id``, ``tasks/blimp``.
"""
PROTOCOLS = {protocol.name: protocol for protocol in (PLAIN, LM_EVAL)}
"""By name."""
