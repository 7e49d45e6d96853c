"""What a build will take and what of it is there already, told without running anything."""
