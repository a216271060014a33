"""What the process says about itself: logs and metrics now; traces join here."""
