"""What a sealed corpus looks like: pages for people, made of the store alone."""
