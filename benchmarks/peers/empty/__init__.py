"""An empty project with Django, DRF and one view, as the baseline of start-up time and memory."""
