"""The tasks, one a file; evaluation/tasks/task.py says what a task is."""
