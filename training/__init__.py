"""How the weights that are vendored in resources/weights and vid_assets/analyzers/data were made."""
