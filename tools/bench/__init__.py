"""Speed and identity quality measured side by side with peers, as ratios."""
