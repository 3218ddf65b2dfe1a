"""Generated clips with exact ground truth: what is drawn and sounded is known to the frame and the sample."""
