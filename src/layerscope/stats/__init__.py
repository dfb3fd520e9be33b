"""One statistic a file; pure numpy and scipy."""
