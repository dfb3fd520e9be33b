"""The second question, whole: what one changed token changes inside, from pairs to tables, figures and a reading."""
