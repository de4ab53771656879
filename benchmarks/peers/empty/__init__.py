"""An empty project, Django and DRF and one view: what a start costs before there is anything to start."""
