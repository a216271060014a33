"""What the process says about itself: logs now; metrics and traces join here."""
