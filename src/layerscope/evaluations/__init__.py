"""The third question, whole: what paths do to tasks, each beside the intact model, through lm-evaluation-harness."""
