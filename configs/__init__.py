"""Complete configurations: every field (base.py), the methods (presets.py) and one file for each data set."""
