"""The first question, whole: layers removed, exchanged or rearranged, from a request to tables, figures and comparisons."""
