"""One statistic per file; pure numpy and scipy."""
